// What the user writes: the box, its draft, who will answer it, and sending it. Enter sends, Shift+Enter
// makes a line. The plain box is there at once; the rich one takes its place when the page is at rest.
import { Draft } from "./draft-storage.js";
import { PlainField } from "./composer-plain.js";

const ASK_MS = 200; // after the last key: who will answer?
const NEAR = 500; // letters before the limit, from where on the page counts

export class Composer {
  #asked = 0;
  #asking = 0;
  #restored = { text: "", doc: null };

  constructor({ form, connection, announce }) {
    Object.assign(this, { form, connection, announce });
    this.note = document.getElementById("composer-note");
    this.who = document.getElementById("composer-who");
    this.button = form.querySelector("[type=submit]");
    const box = form.querySelector("textarea");
    this.limit = box.maxLength;
    box.removeAttribute("maxlength"); // what is pasted is not cut in silence: it is counted
    this.draft = new Draft(document.body.dataset.conversation);
    this.field = new PlainField(box, this.fieldHandlers);
    for (const [type, isIt] of [["compositionstart", true], ["compositionend", false]]) {
      box.addEventListener(type, () => (this.isComposing = isIt));
    }
    form.addEventListener("submit", (event) => this.#submit(event));
    connection.on("connection", () => this.#changed());
    connection.on("unsent", ({ text }) => this.#giveBack(text));
    connection.on("ready", () => this.askWho());
    connection.on("foreseen", (event) => event.number === this.#asked && (this.who.textContent = event.line));
    this.#restore();
  }

  /** What the field calls. */
  get fieldHandlers() {
    return {
      onChange: () => this.#typed(),
      onEnter: () => this.form.requestSubmit(),
      onUp: () => !this.form.dispatchEvent(new CustomEvent("edit-last", { bubbles: true, cancelable: true })),
    };
  }

  /** What has the focus while one types. */
  get box() {
    return this.field.element;
  }

  /** Sends *text* as if it had been typed; whatever is being typed stays. */
  say(text) {
    if (!this.#connected(text)) return false;
    this.connection.say(text);
    return true;
  }

  /** Puts a name where the cursor is. */
  mention(name) {
    this.field.mention(name);
  }

  /** The conversation has got its address. */
  moved(conversation) {
    this.draft.move(conversation);
  }

  /** Loads the rich composer when the page has nothing better to do, or when somebody begins to write. */
  enrich() {
    const load = () => {
      removeEventListener("focusin", load);
      this.#load().catch(() => {}); // the plain box does it all: no more is lost than looks
    };
    addEventListener("focusin", load, { once: true });
    if ("requestIdleCallback" in window) requestIdleCallback(load, { timeout: 4_000 });
    else setTimeout(load, 1_500);
  }

  async #load() {
    if (this.loading) return;
    this.loading = true;
    const { RichField } = await import("./composer-rich.js");
    await this.#typedOut();
    const plain = this.field;
    plain.leave.abort();
    this.field = new RichField(plain.element, this.fieldHandlers, { announce: this.announce, doc: this.#docOf(plain.text) });
    this.form.dataset.rich = "yes";
  }

  /** Waits while letters are being put together (Japanese, say): they would be lost. */
  #typedOut() {
    const box = this.field.element;
    return this.isComposing ? new Promise((done) => box.addEventListener("compositionend", done, { once: true })) : null;
  }

  // -- who will answer -------------------------------------------------------------------------

  /** Asks the server, which decides when it is sent as well. */
  askWho() {
    clearTimeout(this.#asking);
    if (this.connection.state !== "connected") return;
    this.#asked = (this.#asked + 1) % 60_000;
    this.connection.draft(this.field.text.slice(0, this.limit), this.#asked);
  }

  #typed() {
    const { text, doc } = this.field;
    this.draft.keep(text, doc ?? this.#docOf(text));
    clearTimeout(this.#asking);
    this.#asking = setTimeout(() => this.askWho(), ASK_MS);
    this.#changed();
  }

  /** What was restored, in the rich box's own form, as long as nobody has changed it. */
  #docOf(text) {
    return this.#restored.text === text ? this.#restored.doc : null;
  }

  #restore() {
    this.#restored = this.draft.read();
    const { text } = this.#restored;
    if (text && !this.field.text) this.field.text = text;
    else this.#changed();
  }

  // -- sending ---------------------------------------------------------------------------------

  #submit(event) {
    event.preventDefault();
    const text = this.field.text.trim();
    if (!text || this.#isTooLong(text) || !this.say(text)) return;
    this.field.text = "";
    this.askWho();
  }

  #isTooLong(text) {
    if (text.length <= this.limit) return false;
    this.announce(this.#count(text));
    return true;
  }

  #connected(text) {
    if (this.connection.state === "connected") return true;
    this.note.textContent = "Not connected, so nothing was sent. Your text is still here.";
    if (!this.field.text) this.field.text = text;
    return false;
  }

  #giveBack(text) {
    this.field.text = [text, this.field.text].filter(Boolean).join("\n");
    this.note.textContent = "The connection was lost, so this was not sent. Your text is still here.";
  }

  #changed() {
    const connected = this.connection.state === "connected";
    const text = this.field.text.trim();
    if (connected) this.note.textContent = text.length > this.limit - NEAR ? this.#count(text) : "";
    if (!connected) this.who.textContent = "";
    const cannot = !connected || !text || text.length > this.limit;
    this.button.setAttribute("aria-disabled", String(cannot));
  }

  #count(text) {
    const over = text.length - this.limit;
    const rest = over > 0 ? `${over} too many: shorten it to send it.` : "at most.";
    return `${text.length} of ${this.limit} letters, ${rest}`;
  }
}
