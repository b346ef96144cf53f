// Puts the server's fragments into the page. Nothing here evaluates strings: the page's CSP forbids it.
import htmx from "htmx.org/dist/htmx.esm.js";

/**
 * A message that is shown already is replaced, never shown twice (after a resume, say). One that is not goes before
 * those that follow it, in the same fragment, and are shown.
 */
function replaceShown({ detail }) {
  for (const { swapSpec, fragment } of detail.tasks) {
    if (swapSpec.style !== "beforeend") continue;
    let next = null;
    for (const element of [...fragment.children].reverse()) {
      const shown = document.getElementById(element.id);
      if (shown) shown.replaceWith(element);
      else if (next) next.before(element);
      if (shown || next) next = element;
    }
  }
}

document.addEventListener("htmx:before:swap", replaceShown);

/** Applies a text of <hx-partial hx-target hx-swap> fragments; the page has changed when this returns. */
export function applyFragments(text) {
  htmx.swap({ sourceElement: document.body, target: document.body, swap: "none", text: withTargets(text) });
}

/** Leaves out fragments for what this page does not show: an old message, a list that is not there. */
function withTargets(text) {
  const box = document.createElement("template");
  box.innerHTML = text;
  const lost = [...box.content.children].filter((one) => !document.querySelector(one.getAttribute("hx-target")));
  for (const one of lost) one.remove();
  return lost.length ? box.innerHTML : text;
}

/** Fetches the page again and takes its log: for when the server no longer knows what we missed. */
export function reloadLog() {
  return htmx.ajax("GET", location.pathname, { target: "#log", select: "#log", swap: "outerHTML" });
}

/** Fetches the page again and takes these elements from it. */
export async function refresh(...ids) {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ids) document.getElementById(id).replaceWith(fresh.getElementById(id));
}
