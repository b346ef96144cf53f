// The list of conversations: always open where there is room, folded where there is not.
const WIDE = matchMedia("(min-width: 60rem)");

export function foldOnPhones(rail) {
  const fit = () => (rail.open = WIDE.matches);
  WIDE.addEventListener("change", fit);
  fit();
}
