// Buttons with data-partial="id": their form is sent, and of the page that answers only that part is taken over.
// What takes a while can be cancelled with the same button.
import { cancellable } from "./cancellable-button.js";
import { initTabs } from "../shell/tabs.js";
import { toast } from "../shell/toasts.js";
import { initRecorders } from "./recorder.js";

export function initPartials() {
  document.addEventListener("submit", (event) => {
    const id = event.submitter?.dataset.partial;
    if (!id) return;
    event.preventDefault();
    cancellable(event.submitter, "Cancel", (signal) => send(event.target, event.submitter, id, signal));
  });
}

/** Switches with data-sends: their form is sent as soon as they are turned. */
export function initSwitches() {
  document.addEventListener("change", async ({ target }) => {
    const form = target.closest("form[data-sends]");
    if (!form) return;
    const was = !target.checked;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const notice = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#toasts .toast-text");
      if (!answer.ok) throw new Error(`the server answered with ${answer.status}`);
      form.closest(".card").classList.toggle("is-resting", was);
      if (notice) toast(notice.textContent, "good");
    } catch (error) {
      target.checked = was;
      toast(`That was not saved: ${error.message}. Try again in a moment.`);
    }
  });
}

async function send(form, button, id, signal) {
  document.getElementById(id).setAttribute("aria-busy", "true");
  const sent = new FormData(form, button);
  try {
    const answer = await fetch(form.action, { method: "POST", body: sent, headers: { Accept: "text/html" }, signal });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
    if (fresh) return takeOver(document.getElementById(id), fresh, sent);
    toast(`The server answered with ${answer.status}. Try again in a moment.`);
  } catch (error) {
    if (!signal.aborted) toast(`The server could not be reached (${error.message}). Try again in a moment.`);
  }
  document.getElementById(id).removeAttribute("aria-busy");
}

/** What was typed meanwhile stays, and so does the focus. */
function takeOver(shown, fresh, sent) {
  const focused = shown.contains(document.activeElement) ? sameAs(document.activeElement) : "";
  const typed = [...shown.querySelectorAll("input:is([type=text], :not([type])), textarea")].filter((field) => field.name && field.value !== sent.get(field.name));
  shown.replaceWith(fresh);
  for (const { name, value } of typed) {
    const field = fresh.querySelector(`[name="${CSS.escape(name)}"]`);
    if (field) field.value = value;
  }
  initTabs(fresh);
  initRecorders(fresh);
  for (const player of fresh.querySelectorAll("audio[autoplay]")) play(player);
  if (focused) fresh.querySelector(focused)?.focus();
}

/** What was parsed apart from the page does not begin by itself. */
function play(player) {
  player.load();
  player.play().catch(() => {}); // a browser that wants another click shows the player
}

function sameAs({ id, name, value, tagName }) {
  if (id) return `#${CSS.escape(id)}`;
  return name ? `${tagName}[name="${CSS.escape(name)}"][value="${CSS.escape(value)}"]` : "";
}
