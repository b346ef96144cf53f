// Toasts: failures stay until they are dismissed, successes disappear by themselves.
import { announce } from "./announcer.js";

const MOST = 4;
const GOES_MS = 6_000;

const box = () => document.getElementById("toasts");

/** Shows *text*; the same text is shown once. *kind*: "bad", "hint", "good", or "busy", which goes when it is over. Returns it. */
export function toast(text, kind = "bad") {
  const shown = [...box().children];
  const same = shown.find((one) => one.querySelector(".toast-text").textContent === text);
  if (same) return same;
  if (shown.length >= MOST) dismiss(shown[0]);
  const made = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  made.className = `toast is-${kind}`;
  made.querySelector(".toast-text").textContent = text;
  box().append(made);
  return made;
}

function begin(shown) {
  announce(shown.querySelector(".toast-text").textContent);
  if (shown.classList.contains("is-good")) setTimeout(() => goUnlessUsed(shown), GOES_MS);
  if (shown.classList.contains("is-undo")) setTimeout(() => shown.isConnected && dismiss(shown), GONE_MS);
}

const GONE_MS = 15_000; // then it is too late to undo

function goUnlessUsed(shown) {
  if (shown.matches(":hover, :focus-within")) setTimeout(() => goUnlessUsed(shown), GOES_MS);
  else shown.remove();
}

function dismiss(shown) {
  const focused = shown.contains(document.activeElement);
  shown.remove();
  if (focused) document.querySelector("#composer-text, #stage").focus();
}

/** Takes over those that the server draws, now and later. */
export function watchToasts() {
  box().addEventListener("click", ({ target }) => target.closest(".toast-close") && dismiss(target.closest(".toast")));
  for (const shown of box().children) begin(shown);
  const begins = (changes) => changes.flatMap(({ addedNodes }) => [...addedNodes]).filter((one) => one.matches?.(".toast")).forEach(begin);
  new MutationObserver(begins).observe(box(), { childList: true });
}
