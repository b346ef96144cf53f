// Keeps the newest in view, but only for those who are already looking at it.

const NEAR = 64; // px from the end that still count as being there

/** Not what the user has opened. */
const isNews = ({ target, addedNodes, removedNodes }) =>
  ![target, ...addedNodes, ...removedNodes].some((node) => (node.closest ? node : node.parentElement)?.closest(".play-from"));

export class Scrolling {
  #following = true;

  constructor({ scroller, button }) {
    Object.assign(this, { scroller, button });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    button.addEventListener("click", () => this.#toEnd());
    new MutationObserver((changes) => changes.some(isNews) && this.#grew()).observe(scroller, { childList: true, subtree: true, characterData: true });
    new ResizeObserver(() => this.#following && this.#jump()).observe(scroller);
    scroller.addEventListener("load", () => this.#following && this.#jump(), { capture: true }); // a picture has come
    this.#jump();
  }

  /** The user did something whose effect they will want to see. */
  follow() {
    this.#following = true;
    this.#jump();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.#following = scrollHeight - scrollTop - clientHeight < NEAR;
    if (this.#following) this.#hide();
  }

  #grew() {
    if (this.#following) this.#jump();
    else this.button.hidden = false;
  }

  #jump() {
    if (!this.scroller.querySelector(".message")) return; // the welcome is read from its beginning
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #toEnd() {
    this.scroller.focus({ preventScroll: true }); // the button is about to go
    this.follow();
  }

  #hide() {
    if (document.activeElement === this.button) this.scroller.focus({ preventScroll: true });
    this.button.hidden = true;
  }
}
