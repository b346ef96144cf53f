// Every page: the rail, toasts, dialogs, tabs, keys, and htmx for what a page asks for with attributes.
import { applyFragments } from "./html-fragments.js";
import { tendDialogs } from "./shell/dialogs.js";
import { tendRail } from "./shell/rail.js";
import { tendForms } from "./shell/forms.js";
import { tendShortcuts } from "./shell/shortcuts.js";
import { StatusSocket } from "./shell/status-socket.js";
import { keepingRow } from "./shell/status-list.js";
import { tendTabs } from "./shell/tabs.js";
import { watchToasts } from "./shell/toasts.js";
import { localTimes } from "./local-times.js";

tendRail();
watchToasts();
tendDialogs();
tendTabs();
tendShortcuts();

function onHtml(html) {
  keepingRow(() => applyFragments(html));
  localTimes(document);
}

const banner = document.getElementById("offline"); // the chat page has a socket of its own
if (banner) {
  const socket = new StatusSocket({ state: document.getElementById("connection"), banner, onHtml });
  tendForms(socket);
  socket.open();
}
