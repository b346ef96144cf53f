// The cast panel: volumes, order by dragging, and its forms, sent in the background.

const KEY = "aichat.volume.";
const SHOWN = "aichat.cast";
const WIDE = matchMedia("(min-width: 64rem)");

export class CastPanel {
  #dragged = null;
  #focused = ""; // the id of what had the focus before the panel was drawn anew
  #next = null;

  constructor({ panel, connection, isBusy, onAsked, problem }) {
    Object.assign(this, { panel, connection, isBusy, onAsked, problem });
    this.fold = panel.querySelector("#cast-fold");
    panel.addEventListener("submit", (event) => this.#submit(event));
    panel.addEventListener("input", ({ target }) => this.#volume(target));
    panel.addEventListener("change", ({ target }) => target.form?.matches("[data-cast-rules]") && target.form.requestSubmit());
    this.fold.addEventListener("click", () => this.#open(!this.isOpen, true));
    WIDE.addEventListener("change", () => this.#fit());
    this.#listenToDragging();
    document.addEventListener("htmx:before:swap", () => (this.#focused = this.#focusedId()));
    this.#fit();
    this.drawn();
  }

  get isOpen() {
    return document.body.dataset.cast === "open";
  }

  /** The conversation has got its address. */
  moved(id) {
    for (const form of document.querySelectorAll("form[data-cast]")) form.action = `/c/${id}/cast`;
  }

  /** The server has drawn the cast anew: what only this browser knows is put back. */
  drawn() {
    for (const slider of this.panel.querySelectorAll("[data-volume]")) {
      const kept = localStorage.getItem(KEY + slider.dataset.volume);
      if (kept !== null) slider.value = kept;
      this.connection.volume(slider.dataset.volume, slider.value / 100);
    }
    for (const member of this.panel.querySelectorAll(".cast-member")) member.draggable = this.isOpen;
    if (this.#focused && document.activeElement === document.body) this.#focusAgain();
    this.#focused = "";
  }

  /** Nobody speaks any more: the character that was asked to speak next does. */
  quiet() {
    if (!this.#next) return;
    this.connection.wish({ type: "ask", character_ids: [this.#next] });
    this.takeBack();
  }

  /** The user took the word: nobody is asked any more. */
  takeBack() {
    this.#next = null;
    this.onAsked(null);
  }

  // -- the forms ---------------------------------------------------------------------------------

  #submit(event) {
    event.preventDefault();
    const { target: form, submitter } = event;
    if (submitter?.getAttribute("aria-disabled") === "true") return;
    const [verb, id] = (submitter?.value ?? "").split(" ");
    if (verb === "ask") this.#ask(id);
    else this.#send(form.action, new FormData(form, submitter));
  }

  #ask(id) {
    if (!this.isBusy()) {
      this.connection.wish({ type: "ask", character_ids: [id] });
      return;
    }
    this.#next = id;
    this.onAsked(id);
  }

  async #send(address, data) {
    const answer = await fetch(address, { method: "POST", body: new URLSearchParams(data), redirect: "manual" }).catch(() => null);
    if (answer?.type === "opaqueredirect") return; // done; the socket brings what has changed
    const { detail } = (await answer?.json().catch(() => null)) ?? {};
    this.problem(detail ?? "The cast could not be changed: the server does not answer. Try again in a moment.");
  }

  // -- volume ------------------------------------------------------------------------------------

  #volume(slider) {
    const { volume: id } = slider.dataset;
    if (!id) return;
    localStorage.setItem(KEY + id, slider.value);
    this.connection.volume(id, slider.value / 100);
  }

  // -- order -------------------------------------------------------------------------------------

  #listenToDragging() {
    const memberAt = (event) => event.target.closest?.(".cast-member");
    this.panel.addEventListener("dragstart", (event) => {
      this.#dragged = memberAt(event);
      event.dataTransfer.effectAllowed = "move";
    });
    this.panel.addEventListener("dragover", (event) => {
      const over = memberAt(event);
      if (!this.#dragged || !over) return;
      event.preventDefault();
      const { top, height } = over.getBoundingClientRect();
      over[event.clientY < top + height / 2 ? "before" : "after"](this.#dragged);
    });
    this.panel.addEventListener("dragend", () => this.#dropped());
  }

  #dropped() {
    if (!this.#dragged) return;
    this.#dragged = null;
    const order = [...this.panel.querySelectorAll(".cast-member")].map(({ dataset }) => dataset.character).join(",");
    this.#send(this.panel.querySelector("#cast-form").action, new URLSearchParams({ do: `order ${order}` }));
  }

  // -- the panel itself --------------------------------------------------------------------------

  #fit() {
    this.#open(WIDE.matches && localStorage.getItem(SHOWN) !== "strip");
  }

  #open(open, remember = false) {
    document.body.dataset.cast = open ? "open" : "strip";
    this.fold.setAttribute("aria-expanded", String(open));
    for (const member of this.panel.querySelectorAll(".cast-member")) member.draggable = open;
    if (remember && WIDE.matches) localStorage.setItem(SHOWN, open ? "open" : "strip");
  }

  #focusedId() {
    const { activeElement: focused } = document;
    return this.panel.contains(focused) ? focused.id : this.#focused;
  }

  /** A button that the server has drawn anew, or its neighbour when it is gone. */
  #focusAgain() {
    const again = document.getElementById(this.#focused) ?? this.fold;
    again.focus();
  }
}
