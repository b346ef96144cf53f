// The list that opens after an @: those who are here, everyone, and the others. A listbox that the arrow keys
// move through while the focus stays in the text.

const GROUPS = [
  { name: "everyone", note: "all who are here" },
  { name: "others", note: "all whom you do not name" },
];
const MOST = 8;

const fold = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();

/** Those who are here now, as the page shows them. */
function cast() {
  return [...document.querySelectorAll("#cast [data-mention]")].map(({ dataset }) => ({ name: dataset.mention, note: "" }));
}

function found(query) {
  const typed = fold(query.trim());
  const fits = ({ name }) => fold(name).startsWith(typed) || fold(name).split(/\s+/).some((part) => part.startsWith(typed));
  return [...cast(), ...GROUPS].filter(fits).slice(0, MOST);
}

/** Said whole already: there is nothing to complete. */
const isSaid = (query, { name }) => [name, name.split(/\s+/)[0]].some((word) => fold(word) === fold(query.trim()));

export class Picker {
  #items = [];
  #query = "";
  #at = 0;
  #choose = null;

  constructor(list, announce) {
    this.list = list;
    this.announce = announce;
    this.owner = null; // the text, which keeps the focus
    list.addEventListener("pointerdown", (event) => this.#click(event));
  }

  get suggestion() {
    return {
      char: "@",
      allowSpaces: true,
      items: ({ query }) => (query.startsWith(" ") ? [] : found(query)),
      command: ({ editor, range, props: { name } }) => {
        const named = [{ type: "mention", attrs: { id: name, label: name } }, { type: "text", text: " " }];
        editor.chain().focus().insertContentAt(range, named).run();
      },
      render: () => ({
        onStart: (props) => this.#show(props),
        onUpdate: (props) => this.#show(props),
        onKeyDown: ({ event }) => this.#key(event),
        onExit: () => this.#close(),
      }),
    };
  }

  #show({ items, query, command }) {
    const wasOpen = !this.list.hidden;
    this.#items = items;
    this.#query = query;
    this.#choose = command;
    this.#at = Math.min(wasOpen ? this.#at : 0, Math.max(0, items.length - 1));
    if (!items.length) {
      this.#close();
      return;
    }
    this.list.replaceChildren(...items.map((item, i) => option(item, i)));
    this.list.hidden = false;
    this.#mark();
    if (!wasOpen) this.announce(`${items.length} names. Arrow keys choose, Enter takes one.`);
  }

  #mark() {
    [...this.list.children].forEach((element, i) => element.setAttribute("aria-selected", String(i === this.#at)));
    const chosen = this.list.children[this.#at];
    chosen.scrollIntoView({ block: "nearest" });
    this.owner.setAttribute("aria-controls", this.list.id);
    this.owner.setAttribute("aria-activedescendant", chosen.id);
  }

  get isOpen() {
    return !this.list.hidden;
  }

  #close() {
    this.list.hidden = true;
    this.owner?.removeAttribute("aria-activedescendant");
    this.owner?.removeAttribute("aria-controls");
  }

  #key(event) {
    if (!this.isOpen) return false;
    const count = this.#items.length;
    if (event.key === "ArrowDown") this.#move((this.#at + 1) % count);
    else if (event.key === "ArrowUp") this.#move((this.#at + count - 1) % count);
    else if (event.key === "Escape") this.#close();
    else if (event.key === "Tab" || (event.key === "Enter" && !isSaid(this.#query, this.#items[this.#at]))) this.#take(this.#at);
    else return false;
    event.preventDefault(); // so that Escape stops nobody, and Tab stays
    return true;
  }

  #move(to) {
    this.#at = to;
    this.#mark();
  }

  #take(place) {
    this.#choose(this.#items[place]);
  }

  #click(event) {
    const chosen = event.target.closest("[role=option]");
    if (!chosen) return;
    event.preventDefault(); // the focus stays in the text
    this.#take([...this.list.children].indexOf(chosen));
  }
}

function option({ name, note }, place) {
  const element = document.createElement("div");
  element.id = `mention-${place}`;
  element.setAttribute("role", "option");
  element.className = "mention-option";
  const words = document.createElement("span");
  words.textContent = `@${name}`;
  element.append(words);
  if (note) element.append(Object.assign(document.createElement("small"), { textContent: note }));
  return element;
}
