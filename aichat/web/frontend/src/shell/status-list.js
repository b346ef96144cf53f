// When the list of candidates is redrawn, the focus stays in its row, and a change of state is announced.
import { announce } from "./announcer.js";

const stateOf = (row) => row.querySelector(".badge").textContent.trim();

export function keepFocusedRow(change) {
  const focused = document.activeElement;
  const row = focused?.closest("#statuses .row");
  change();
  const drawn = row && document.getElementById(row.id);
  if (!drawn || drawn === row) return;
  (drawn.querySelector("button") ?? drawn).focus({ preventScroll: true });
  if (stateOf(drawn) !== stateOf(row)) announce(`${drawn.querySelector("code").textContent}: ${stateOf(drawn)}.`);
}
