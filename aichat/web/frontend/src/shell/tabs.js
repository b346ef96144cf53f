// Tabs of panels that stand below each other without scripts. Arrows, Home and End move between them.

const MOVES = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export function initTabs(root = document) {
  for (const box of root.querySelectorAll("[data-tabs]:not(.is-ready)")) new Tabs(box);
}

class Tabs {
  constructor(box) {
    this.panels = [...box.querySelectorAll(":scope > .tab")];
    this.names = this.panels.map((panel, index) => this.#name(panel, index));
    const list = Object.assign(document.createElement("div"), { className: "tab-list", role: "tablist" });
    list.setAttribute("aria-label", box.dataset.tabs);
    list.append(...this.names);
    box.prepend(list);
    box.classList.add("is-ready");
    list.addEventListener("keydown", (event) => this.#key(event));
    box.addEventListener("invalid", (event) => this.show(this.panels.indexOf(event.target.closest(".tab"))), true);
    const wrong = this.panels.findIndex((panel) => panel.querySelector("[aria-invalid=true]"));
    const asked = this.panels.findIndex((panel) => `#${panel.id}` === location.hash);
    this.show(Math.max(0, wrong >= 0 ? wrong : asked));
    if (wrong >= 0) this.panels[wrong].querySelector("[aria-invalid=true]").focus();
  }

  show(index) {
    this.names.forEach((name, k) => {
      name.setAttribute("aria-selected", String(k === index));
      name.tabIndex = k === index ? 0 : -1;
      this.panels[k].hidden = k !== index;
    });
  }

  #name(panel, index) {
    const name = document.createElement("button");
    Object.assign(name, { type: "button", className: "tab-name", role: "tab", id: `${panel.id}-tab` });
    name.textContent = panel.querySelector(".tab-title").textContent;
    name.setAttribute("aria-controls", panel.id);
    name.addEventListener("click", () => this.show(index));
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", name.id);
    return name;
  }

  #key(event) {
    const at = this.names.indexOf(document.activeElement);
    const last = this.names.length - 1;
    const ends = { Home: 0, End: last };
    const next = ends[event.key] ?? (event.key in MOVES ? (at + MOVES[event.key] + last + 1) % (last + 1) : -1);
    if (next < 0) return;
    event.preventDefault();
    this.show(next);
    this.names[next].focus();
  }
}
