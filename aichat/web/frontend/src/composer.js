// The box to type in. Enter sends, Shift+Enter makes a line; a draft is never lost.

const MOST_ROWS = 6;

export class Composer {
  constructor({ form, note, connection }) {
    Object.assign(this, { form, note, connection });
    this.box = form.querySelector("textarea");
    this.button = form.querySelector("button");
    form.addEventListener("submit", (event) => this.#submit(event));
    this.box.addEventListener("keydown", (event) => this.#key(event));
    this.box.addEventListener("input", () => this.#changed());
    connection.on("connection", () => this.#changed());
    connection.on("unsent", ({ text }) => this.#giveBack(text));
    this.#changed();
  }

  /** Sends *text* as if it had been typed; whatever is being typed stays. */
  say(text) {
    if (!this.#connected(text)) return false;
    this.connection.say(text);
    return true;
  }

  /** Puts a name where the cursor is. */
  mention(name) {
    const { box } = this;
    const before = box.value.slice(0, box.selectionStart);
    const gap = before && !/\s$/.test(before) ? " " : "";
    box.focus();
    box.setRangeText(`${gap}@${name} `, box.selectionStart, box.selectionEnd, "end");
    this.#changed();
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  #submit(event) {
    event.preventDefault();
    const text = this.box.value.trim();
    if (!text || !this.say(text)) return;
    this.box.value = "";
    this.#changed();
  }

  #connected(text) {
    if (this.connection.state === "connected") return true;
    this.note.textContent = "Not connected, so nothing was sent. Your text is kept.";
    if (!this.box.value) this.box.value = text;
    this.#fit();
    return false;
  }

  #giveBack(text) {
    this.box.value = [text, this.box.value].filter(Boolean).join("\n");
    this.#changed();
    this.note.textContent = "The connection broke, so this was not sent. Your text is kept.";
  }

  #changed() {
    const connected = this.connection.state === "connected";
    if (connected) this.note.textContent = "";
    this.button.setAttribute("aria-disabled", String(!connected || !this.box.value.trim()));
    this.#fit();
  }

  #fit() {
    const { box } = this;
    box.rows = 1;
    while (box.scrollHeight > box.clientHeight && box.rows < MOST_ROWS) box.rows += 1;
  }
}
