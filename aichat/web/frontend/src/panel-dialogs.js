// Small pages in a dialog: a link with data-panel shows its page's #panel here, and goes there without scripts.
import { send } from "./message-actions.js";
import { localTimes } from "./local-times.js";
import { toast } from "./shell/toasts.js";

let dialog = null;

export function initPanels() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-panel]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const asked = link.closest("details")?.querySelector("summary") ?? link; // the link's menu is closed by then
    show(link, event.isTrusted ? asked : document.activeElement); // a key of another place has led here
  });
}

async function show(link, opener) {
  const page = await fetched(link.href);
  if (!page) return;
  dialog?.remove();
  dialog = drawn(page);
  document.body.append(dialog);
  for (const sheet of page.querySelectorAll("head link[rel=stylesheet]")) adopt(sheet);
  localTimes(dialog);
  dialog.addEventListener("close", () => opener.isConnected && opener.focus());
  dialog.addEventListener("submit", submitted);
  dialog.showModal();
  focusFirst(new URL(link.href).hash);
}

async function fetched(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && page.getElementById("panel")) return page;
    toast(page.querySelector(".lead, .trouble p")?.textContent ?? "That cannot be shown now. Try again.");
  } catch {
    toast("The server cannot be reached. Try again.");
  }
  return null;
}

function drawn(page) {
  const made = Object.assign(document.createElement("dialog"), { className: "dialog is-panel", id: "panel-dialog" });
  const head = Object.assign(document.createElement("header"), { className: "dialog-head" });
  const title = Object.assign(document.createElement("h2"), { id: "panel-title", textContent: page.querySelector("h1").textContent.trim() });
  const close = Object.assign(document.createElement("button"), { type: "button", className: "button is-icon is-quiet", textContent: "×" });
  close.setAttribute("aria-label", "Close");
  close.dataset.closes = "";
  head.append(title, close);
  made.setAttribute("aria-labelledby", title.id);
  made.append(head, document.adoptNode(page.getElementById("panel")));
  return made;
}

/** A style sheet of that page which this one does not have yet. */
function adopt(sheet) {
  const known = [...document.querySelectorAll("link[rel=stylesheet]")].some((one) => one.getAttribute("href") === sheet.getAttribute("href"));
  if (!known) document.head.append(document.adoptNode(sheet));
}

async function submitted(event) {
  const { target: form, submitter } = event;
  if (form.method !== "post" || "leaves" in form.dataset) return; // it leads to another page
  event.preventDefault();
  const fields = new URLSearchParams(new FormData(form, submitter));
  if (await send(form.action, fields)) dialog.close();
}

function focusFirst(hash) {
  const part = hash ? dialog.querySelector(hash) : dialog;
  (part ?? dialog).querySelector("textarea, input:not([type=hidden]), button:not([data-closes])")?.focus();
}
