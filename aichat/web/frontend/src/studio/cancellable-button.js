// A button that starts something, and cancels it when it is pressed again.

const WORD_AFTER_MS = 400; // what is done at once needs no other word

const going = new WeakMap(); // button -> AbortController

/** Does *work* with a signal; while it goes on the button reads *word*, and a press aborts the signal. */
export async function cancellable(button, word, work) {
  if (going.has(button)) return going.get(button).abort();
  const cancel = new AbortController();
  going.set(button, cancel);
  const text = button.querySelector("span");
  const [was, label] = [text.textContent, button.getAttribute("aria-label")];
  const late = setTimeout(() => {
    text.textContent = word;
    if (label) button.setAttribute("aria-label", `${word}: ${label}`);
  }, WORD_AFTER_MS);
  try {
    await work(cancel.signal);
  } finally {
    clearTimeout(late);
    going.delete(button);
    text.textContent = was;
    if (label) button.setAttribute("aria-label", label);
  }
}
