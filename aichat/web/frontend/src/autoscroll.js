// Keeps the newest message in view, unless the user has scrolled away from it.

const NEAR = 64; // px from the end that still count as being there

/** Not what the user has opened. */
const isNews = ({ target, addedNodes, removedNodes }) =>
  ![target, ...addedNodes, ...removedNodes].some((node) => (node.closest ? node : node.parentElement)?.closest(".play-from"));

export class Autoscroll {
  #following = true;

  constructor({ scroller, button }) {
    Object.assign(this, { scroller, button });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    button.addEventListener("click", () => this.#toEnd());
    new MutationObserver((changes) => this.#changed(changes.filter(isNews))).observe(scroller, { childList: true, subtree: true, characterData: true });
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

  #changed(changes) {
    if (!changes.length) return;
    if (this.#following) return void this.#jump();
    this.#scrolled(); // what was deleted may have brought the end into sight
    if (!this.#following && this.button.hidden) this.button.hidden = !changes.some((change) => this.#isBelow(change));
  }

  /** Has something come that cannot be seen yet? What was edited in sight, or deleted, is no news. */
  #isBelow({ type, target, addedNodes }) {
    if (type === "childList" && !addedNodes.length) return false;
    const changed = [...addedNodes].find((node) => node.closest) ?? (target.closest ? target : target.parentElement);
    return changed.getBoundingClientRect().bottom > this.scroller.getBoundingClientRect().bottom;
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
