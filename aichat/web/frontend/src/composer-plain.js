// The plain box to type in: what there is without scripts, and until the rich one has come.

const MOST_ROWS = 6;

export class PlainField {
  /** *handlers*: {onChange, onEnter, onUp}; onUp returns whether it did anything. */
  constructor(box, handlers) {
    this.element = box;
    this.handlers = handlers;
    this.leave = new AbortController();
    const { signal } = this.leave;
    box.addEventListener("keydown", (event) => this.#key(event), { signal });
    box.addEventListener("input", () => this.#changed(), { signal });
    this.#fit();
  }

  get text() {
    return this.element.value;
  }

  set text(text) {
    this.element.value = text;
    this.#changed();
  }

  /** Keeps no more than the text. */
  get doc() {
    return null;
  }


  focus() {
    this.element.focus();
  }

  /** Puts a name where the cursor is. */
  mention(name) {
    const box = this.element;
    const before = box.value.slice(0, box.selectionStart);
    const gap = before && !/\s$/.test(before) ? " " : "";
    box.focus();
    box.setRangeText(`${gap}@${name} `, box.selectionStart, box.selectionEnd, "end");
    this.#changed();
  }

  #key(event) {
    if (event.isComposing) return;
    if (event.key === "ArrowUp" && !this.text && this.handlers.onUp()) event.preventDefault();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    this.handlers.onEnter();
  }

  #changed() {
    this.#fit();
    this.handlers.onChange();
  }

  #fit() {
    const box = this.element;
    box.rows = 1;
    while (box.scrollHeight > box.clientHeight && box.rows < MOST_ROWS) box.rows += 1;
  }
}
