// Searches the conversations while the user types; without scripts, Enter shows a page of results.
import { announce } from "./shell/announcer.js";
import { localTimes } from "./local-times.js";

const PAUSE_MS = 200;

export function initSearch() {
  for (const form of document.querySelectorAll("form[data-search]")) {
    let waiting = 0;
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => look(form), PAUSE_MS);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(waiting);
      look(form);
    });
  }
}

let asked = 0;

async function look(form) {
  const mine = (asked += 1);
  const words = new URLSearchParams(new FormData(form));
  let page;
  try {
    const answer = await fetch(`${form.getAttribute("action")}?${words}`, { headers: { Accept: "text/html" } });
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return; // a lost connection is shown elsewhere; the list stays as it is
  }
  const list = page.getElementById("conversations");
  if (mine !== asked || !list) return; // a newer search, or a page that says why not
  mark(list);
  document.getElementById("conversations").replaceWith(document.adoptNode(list));
  localTimes(document);
  announce(`${document.querySelectorAll("#conversations .conversation").length} conversations found.`);
}

/** The one that is open. */
function mark(list) {
  const open = document.body.dataset.conversation;
  if (open) list.querySelector(`[href="/c/${open}"]`)?.setAttribute("aria-current", "page");
}
