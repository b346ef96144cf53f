// The rail: always open where there is room, folded where there is not; narrow or wide as the user likes.
import { prefer } from "./preferences.js";

const ROOMY = matchMedia("(min-width: 60rem)");

export function tendRail() {
  const rail = document.getElementById("rail");
  const fit = () => (rail.open = ROOMY.matches);
  ROOMY.addEventListener("change", fit);
  fit();
  for (const form of document.querySelectorAll("form[data-prefers]")) {
    form.addEventListener("submit", submitted);
    form.addEventListener("change", ({ target }) => prefer(target.name, target.value));
  }
}

function submitted(event) {
  event.preventDefault();
  const { name, value } = event.submitter;
  if (!name) return; // "Save", which nobody needs who has scripts
  prefer(name, value);
  const other = [...event.target.querySelectorAll("button")].find((button) => button !== event.submitter);
  other?.focus(); // the one that was pressed is hidden now
}
