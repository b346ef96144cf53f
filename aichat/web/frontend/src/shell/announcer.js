// Announcements for screen readers, by one polite live region.
import { preference } from "./preferences.js";

const SAY_AGAIN_MS = 50; // a live region says only what changes
const FORGET_MS = 5_000; // or a reader that walks through the page would read it again

let forgetting = 0;

/** Answers are announced as a whole, also where they can be heard. */
export const announcesAnswers = () => preference("announce") === "whole" || preference("voices") === "reader";

export function announce(text) {
  if (preference("announce") === "off" && preference("voices") !== "reader") return;
  const region = document.getElementById("announcer");
  region.textContent = "";
  clearTimeout(forgetting);
  setTimeout(() => (region.textContent = text), SAY_AGAIN_MS);
  forgetting = setTimeout(() => (region.textContent = ""), FORGET_MS);
}
