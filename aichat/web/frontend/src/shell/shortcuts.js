// Single-key shortcuts. They are ignored while the user writes, in dialogs, and when switched off.
import { prefer, preference } from "./preferences.js";

const WRITING = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable=true]";

const actions = {
  "?": () => document.getElementById("shortcuts").showModal(),
  n: () => location.assign("/"),
  g: () => firstPlace(),
  t: () => prefer("theme", isDark() ? "light" : "dark"),
  "/": () => document.querySelector("#composer-text, input[type=search]")?.focus(),
};

function isDark() {
  const theme = preference("theme");
  return theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
}

function firstPlace() {
  document.getElementById("rail").open = true;
  (document.querySelector(".place[aria-current]") ?? document.querySelector(".place")).focus();
}

/** Adds a key; list it in templates/fragments/keys.html too. */
export function shortcut(key, action) {
  actions[key] = action;
}

export function initShortcuts() {
  addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (!action || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (preference("shortcuts") === "off") return;
    if (event.target.closest?.(WRITING) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    action();
  });
}
