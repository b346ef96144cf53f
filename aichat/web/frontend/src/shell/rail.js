// The rail: always open where there is room, folded where there is not; narrow or wide as the user likes.
import { prefer } from "./preferences.js";

const ROOMY = matchMedia("(min-width: 60rem)");

export function initRail() {
  const rail = document.getElementById("rail");
  const fit = () => (rail.open = ROOMY.matches);
  ROOMY.addEventListener("change", fit);
  fit();
  rail.addEventListener("keydown", (event) => event.key === "Escape" && rail.open && !ROOMY.matches && fold(rail, event));
  for (const form of document.querySelectorAll("form[data-prefers]")) {
    form.addEventListener("submit", submitted);
    form.addEventListener("change", ({ target }) => prefer(target.name, target.value));
  }
}

/** Escape folds the menu of a phone, and stops nobody from speaking. */
function fold(rail, event) {
  event.preventDefault();
  rail.open = false;
  rail.querySelector("summary").focus();
}

function submitted(event) {
  event.preventDefault();
  const { name, value } = event.submitter;
  if (!name) return; // "Save", which nobody needs who has scripts
  prefer(name, value);
  const other = [...event.target.querySelectorAll("button")].find((button) => button !== event.submitter);
  other?.focus(); // the one that was pressed is hidden now
}
