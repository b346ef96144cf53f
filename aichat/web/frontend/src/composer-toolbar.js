// The buttons above the text. A toolbar is one stop of the Tab key; the arrow keys move within it.

const REMEMBER = "aichat.formatting";
const NARROW = matchMedia("(max-width: 40rem)");

const DO = {
  bold: (chain) => chain.toggleBold(),
  italic: (chain) => chain.toggleItalic(),
  strike: (chain) => chain.toggleStrike(),
  code: (chain) => chain.toggleCode(),
  bulletList: (chain) => chain.toggleBulletList(),
  orderedList: (chain) => chain.toggleOrderedList(),
  blockquote: (chain) => chain.toggleBlockquote(),
  codeBlock: (chain) => chain.toggleCodeBlock(),
};

const CHOOSE = {
  block: (chain, value) => (value ? chain.setHeading({ level: Number(value) }) : chain.setParagraph()),
  align: (chain, value) =>
    chain.updateAttributes("paragraph", { align: value || null }).updateAttributes("heading", { align: value || null }),
  ink: (chain, value) => (value ? chain.setMark("ink", { colour: value }) : chain.unsetMark("ink")),
};

const SHOWN = {
  block: (editor) => [1, 2, 3].find((level) => editor.isActive("heading", { level })) ?? "",
  align: (editor) => editor.getAttributes(editor.isActive("heading") ? "heading" : "paragraph").align ?? "",
  ink: (editor) => editor.getAttributes("ink").colour ?? "",
};

export class Toolbar {
  constructor(bar, editor) {
    Object.assign(this, { bar, editor });
    this.toggle = document.getElementById("composer-format");
    this.address = document.getElementById("composer-address");
    this.items = [...bar.querySelectorAll("button, select")];
    this.items.forEach((item, i) => (item.tabIndex = i ? -1 : 0));
    bar.addEventListener("click", ({ target }) => this.#click(target.closest("button")));
    bar.addEventListener("change", ({ target }) => this.#choose(target));
    bar.addEventListener("keydown", (event) => this.#key(event));
    bar.addEventListener("focusin", ({ target }) => this.items.forEach((item) => (item.tabIndex = item === target ? 0 : -1)));
    this.#listenToAddress();
    editor.on("transaction", () => this.#show());
    this.toggle.addEventListener("click", () => this.#open(bar.hidden, true));
    this.toggle.hidden = false;
    this.#open(localStorage.getItem(REMEMBER) ? localStorage.getItem(REMEMBER) === "open" : !NARROW.matches);
    this.#show();
  }

  #open(open, remember = false) {
    this.bar.hidden = !open;
    this.toggle.setAttribute("aria-expanded", String(open));
    if (!open) this.address.hidden = true;
    if (remember) localStorage.setItem(REMEMBER, open ? "open" : "shut");
  }

  #click(button) {
    if (!button) return;
    const { do: what, ask } = button.dataset;
    if (what) DO[what](this.#chain()).run();
    if (ask) this.#ask(ask);
  }

  #choose(select) {
    const { choose } = select.dataset;
    if (choose) CHOOSE[choose](this.#chain(), select.value).run();
  }

  /** Begins a change; the text has the focus at once, where the editor's own command waits for a frame: no key is lost. */
  #chain() {
    this.editor.view.focus();
    return this.editor.chain();
  }

  /** Shows what the cursor stands in. */
  #show() {
    for (const item of this.items) {
      const { do: what, choose, ask } = item.dataset;
      if (what) item.setAttribute("aria-pressed", String(this.editor.isActive(what)));
      if (ask === "link") item.setAttribute("aria-pressed", String(this.editor.isActive("link")));
      if (choose) item.value = String(SHOWN[choose](this.editor));
    }
  }

  #key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const ends = { Home: 0, End: this.items.length - 1 }[event.key];
    if (step === undefined && ends === undefined) return;
    event.preventDefault();
    const at = this.items.indexOf(document.activeElement);
    this.items[ends ?? (at + step + this.items.length) % this.items.length].focus();
  }

  // -- the address of a link or a picture --------------------------------------------------------

  #ask(kind) {
    const { address } = this;
    const [url, words] = address.querySelectorAll("input");
    address.dataset.kind = kind;
    address.querySelector("[data-words]").hidden = kind === "link";
    address.querySelector("[data-remove]").hidden = !(kind === "link" && this.editor.isActive("link"));
    address.hidden = false;
    url.value = kind === "link" ? (this.editor.getAttributes("link").href ?? "") : "";
    words.value = "";
    url.focus();
  }

  #listenToAddress() {
    const { address } = this;
    address.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#apply();
      if (event.key === "Escape") this.#leave();
      if (event.key === "Enter" || event.key === "Escape") event.preventDefault(); // nothing is sent, nobody stopped
    });
    address.addEventListener("click", ({ target }) => {
      if (target.closest("[data-apply]")) this.#apply();
      if (target.closest("[data-remove]")) this.#leave((chain) => chain.extendMarkRange("link").unsetLink());
      if (target.closest("[data-cancel]")) this.#leave();
    });
  }

  #apply() {
    const [url, words] = [...this.address.querySelectorAll("input")].map(({ value }) => value.trim());
    const href = addressOf(url);
    const isBad = !href;
    this.address.querySelector("input").setAttribute("aria-invalid", String(isBad));
    if (isBad) return;
    if (this.address.dataset.kind === "link") this.#leave((chain) => this.#link(chain, href));
    else if (href.startsWith("/")) this.#leave((chain) => chain.setImage({ src: href, alt: words }));
    else this.#leave((chain) => chain.insertContent(linked(href, words || href))); // other sites' pictures are links
  }

  #link(chain, href) {
    const { empty } = this.editor.state.selection;
    if (!empty || this.editor.isActive("link")) return chain.extendMarkRange("link").setLink({ href });
    return chain.insertContent(linked(href, href));
  }

  #leave(edit = (chain) => chain) {
    this.address.hidden = true;
    edit(this.#chain()).run();
  }
}

const linked = (href, text) => ({ type: "text", text, marks: [{ type: "link", attrs: { href } }] });

/** An address that may be linked to, or null. */
function addressOf(typed) {
  try {
    const url = new URL(/^[a-z]+:/i.test(typed) || typed.startsWith("/") ? typed : `https://${typed}`, location.origin);
    if (typed && ["http:", "https:", "mailto:"].includes(url.protocol)) return typed.startsWith("/") ? url.pathname : url.href;
    return null;
  } catch {
    return null;
  }
}
