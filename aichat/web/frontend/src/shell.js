// Every page: the rail, toasts, dialogs, tabs, keys, and htmx for what a page asks for with attributes.
import { applyFragments } from "./html-fragments.js";
import { initDialogs } from "./shell/dialogs.js";
import { initRail } from "./shell/rail.js";
import { initForms } from "./shell/forms.js";
import { initShortcuts } from "./shell/shortcuts.js";
import { StatusSocket } from "./shell/status-socket.js";
import { keepFocusedRow } from "./shell/status-list.js";
import { initTabs } from "./shell/tabs.js";
import { watchToasts } from "./shell/toasts.js";
import { localTimes } from "./local-times.js";

initRail();
watchToasts();
initDialogs();
initTabs();
initShortcuts();

function onHtml(html) {
  keepFocusedRow(() => applyFragments(html));
  localTimes(document);
}

const banner = document.getElementById("offline"); // the chat page has a socket of its own
if (banner) {
  const socket = new StatusSocket({ state: document.getElementById("connection"), banner, onHtml });
  initForms(socket);
  socket.open();
}
