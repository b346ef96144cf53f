// What the user must know: errors to dismiss, a banner of notices, and one voice for screen readers.

const MOST_TOASTS = 4;
const SAY_AGAIN_MS = 50; // a live region says only what changes

const fromTemplate = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

export class Notices {
  constructor({ toasts, banner, announcer, fallback }) {
    Object.assign(this, { toasts, banner, announcer, fallback });
    toasts.addEventListener("click", ({ target }) => target.closest("button") && this.#dismiss(target.closest(".toast")));
  }

  announce = (text) => {
    this.announcer.textContent = "";
    setTimeout(() => (this.announcer.textContent = text), SAY_AGAIN_MS);
  };

  /** Shows a problem until it is dismissed; the same problem is shown once. */
  problem = (text) => {
    const shown = [...this.toasts.children];
    if (shown.some((toast) => toast.querySelector(".toast-text").textContent === text)) return;
    if (shown.length >= MOST_TOASTS) this.#dismiss(shown[0]);
    const toast = fromTemplate("toast-template");
    toast.querySelector(".toast-text").textContent = text;
    this.toasts.append(toast);
  };

  /** Replaces the banner's lines. */
  show(lines) {
    this.banner.replaceChildren(...lines.map((line) => this.#notice(line)));
  }

  #notice(line) {
    const notice = fromTemplate("notice-template");
    notice.textContent = line;
    return notice;
  }

  #dismiss(toast) {
    const focused = toast.contains(document.activeElement);
    toast.remove();
    if (focused) this.fallback().focus();
  }
}
