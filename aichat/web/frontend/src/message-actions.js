// The buttons of messages: play again, regenerate, copy, edit. All but audio works without scripts, as plain forms.
import { clickedWord, selectedWord } from "./captions.js";
import { PlayFrom } from "./play-from.js";
import { shortcut } from "./shell/shortcuts.js";
import { toast } from "./shell/toasts.js";

const DOUBLE_CLICK_MS = 300;
const LEAST_MENU_PX = 96;
const FOCUSABLE = "a[href], button, summary";
const nameOf = (element) => element.getAttribute("aria-label") ?? element.textContent.trim();
const idOf = (element) => element.closest(".message").id.slice(2);

/** What is to be sent for each wish; the server answers with events. */
const wishes = {
  say_rest: (id) => ({ type: "say_rest", message_id: id }),
  play_again: (id, word) => ({ type: "play_again", message_id: id, word }),
  new_take: (id) => ({ type: "play_again", message_id: id, new_take: true }),
};

export class MessageActions {
  constructor({ log, connection }) {
    Object.assign(this, { log, connection });
    log.addEventListener("click", (event) => this.#clicked(event));
    log.addEventListener("submit", (event) => this.#submitted(event));
    document.addEventListener("click", ({ target }) => closeMenus(target));
    this.playFrom = new PlayFrom({ onPlay: (id, word) => connection.wish(wishes.play_again(id, word)) });
    document.getElementById("toasts").addEventListener("submit", takeBack);
    shortcut("u", () => [...document.querySelectorAll("#toasts form[data-undo] button")].at(-1)?.click());
    log.addEventListener("toggle", ({ target }) => target.open && target.matches(".more") && place(target), true);
    log.addEventListener("keydown", (event) => event.key === "Escape" && this.#escaped(event));
  }

  #clicked(event) {
    const text = event.target.closest(".message-text");
    if (text) return this.#clickedText(text, event);
    const button = event.target.closest(".message button[type=button]");
    if (!button) return undefined;
    if ("playFrom" in button.dataset) return this.#choose(button);
    if ("copy" in button.dataset) copy(button.closest(".message"));
    else if (!button.dataset.wish) return undefined;
    else this.#wish(button);
    refocusMenu(button);
    return closeMenus(null);
  }

  /** The word to begin with is chosen below the text. */
  #choose(button) {
    const message = button.closest(".message");
    refocusMenu(button);
    closeMenus(null);
    this.playFrom.open(message, selectedWord(message.querySelector(".message-text")));
  }

  /** With some of the text selected it is said from there on. */
  #wish(button) {
    const text = button.closest(".message").querySelector(".message-text");
    this.connection.wish(wishes[button.dataset.wish](idOf(button), selectedWord(text)));
    if (button.dataset.wish !== "say_rest") return;
    button.nextElementSibling.focus(); // it is said once: the button goes, and the focus stays beside it
    button.remove();
  }

  /** A click on a word of what was spoken: it is heard from there. Two clicks select it, as everywhere. */
  #clickedText(text, event) {
    clearTimeout(this.clicked);
    const spoken = text.closest(".message").querySelector("[data-wish=play_again]");
    if (!spoken || event.detail > 1 || event.target.closest("a") || !getSelection().isCollapsed) return;
    const word = clickedWord(text, event);
    if (word === null) return;
    this.clicked = setTimeout(() => this.connection.wish(wishes.play_again(idOf(text), word)), DOUBLE_CLICK_MS);
  }

  /** The change comes back over the socket, to every window alike. */
  async #submitted(event) {
    if (!event.target.matches(".message-tools")) return;
    event.preventDefault();
    const button = event.submitter;
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    refocusMenu(button);
    closeMenus(null);
    await send(event.target.action, new URLSearchParams([[button.name, button.value]]));
  }

  #escaped(event) {
    const open = event.target.closest("details.more[open]");
    if (!open) return;
    event.stopPropagation(); // it closes the menu, and interrupts nobody
    open.open = false;
    open.querySelector("summary").focus();
  }
}

/** What was deleted comes back over the socket, in every window. */
async function takeBack(event) {
  const form = event.target.closest("form[data-undo]");
  if (!form) return;
  event.preventDefault();
  const hadFocus = form.contains(document.activeElement);
  const worked = await send(form.action, new URLSearchParams({ do: "restore" }));
  if (worked) form.closest(".toast")?.remove();
  if (worked && hadFocus) document.getElementById("scroller").focus({ preventScroll: true });
}

/** Sends a form's fields, and shows the answer as a toast. Returns whether it worked. */
export async function send(address, fields) {
  try {
    const answer = await fetch(address, { method: "POST", body: fields, headers: { Accept: "text/plain" } });
    const words = await answer.text();
    if (!answer.ok) toast(JSON.parse(words).detail);
    else if (words) toast(words, "good");
    return answer.ok;
  } catch {
    toast("The server cannot be reached, so nothing was changed. Try again.");
    return false;
  }
}

async function copy(message) {
  try {
    await navigator.clipboard.writeText(message.querySelector(".message-text").innerText);
    toast("Copied.", "good");
  } catch {
    toast("The browser does not allow copying here. Select the text instead.");
  }
}

/** What was pressed in a menu is gone with it: the focus goes back to what opened it. */
function refocusMenu(button) {
  button.closest("details.more")?.querySelector("summary").focus();
}

/** A menu opens to the side where there is more room, and takes no more than that. */
function place(more) {
  const menu = more.querySelector(".menu");
  const { top, bottom } = more.getBoundingClientRect();
  const sight = document.getElementById("scroller").getBoundingClientRect();
  const above = top - sight.top;
  const below = sight.bottom - bottom;
  menu.classList.toggle("is-above", above >= below);
  menu.classList.toggle("is-below", above < below);
  menu.style.maxHeight = `${Math.max(above, below, LEAST_MENU_PX)}px`;
}

function closeMenus(target) {
  for (const menu of document.querySelectorAll("details.more[open]")) {
    if (!target || !menu.contains(target) || target.closest("[data-panel]")) menu.open = false;
  }
}

/** Changes the page, and leaves the focus and what is unfolded where they were, though messages are replaced. */
export function keepFocus(change) {
  const focused = document.activeElement;
  const message = focused?.closest?.(".message");
  const place = message && focused !== message ? nameOf(focused) : null;
  const open = [...document.querySelectorAll(".message details[open]")].map((one) => [one.closest(".message").id, one.className]);
  change();
  for (const [id, kind] of open) {
    const again = document.getElementById(id)?.querySelector(`details.${kind}`);
    if (again) again.open = true;
  }
  if (place !== null && !focused.isConnected) refocus(message.id, place);
}

function refocus(id, name) {
  const all = [...(document.getElementById(id)?.querySelectorAll(FOCUSABLE) ?? [])];
  const same = all.find((one) => nameOf(one) === name) ?? all.at(-1) ?? document.getElementById("scroller");
  same.focus({ preventScroll: true });
}
