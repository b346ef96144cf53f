// The speaking order in words: "now Olivia, then Mark (ready), then Zoë (writing)".

export class TurnQueue {
  #lines = []; // {generation, sequence, id, state: waiting | writing | ready | over}
  #sounding = null;
  #asked = null; // who is to speak when the others have finished

  constructor(element) {
    this.element = element;
  }

  turnStarted({ generation, lines }) {
    const old = this.#lines.filter((line) => this.#sounds(line));
    const fresh = lines.map((line, place) => ({
      generation, sequence: line.sequence_number, id: line.character_id, state: place ? "waiting" : "writing",
    }));
    this.#lines = [...old, ...fresh];
    this.#show();
  }

  /** A turn that goes on, for a page that comes in the middle. */
  goesOn(turn) {
    this.turnStarted(turn);
    const known = { waiting: "waiting", writing: "writing", written: "ready", over: "over" };
    for (const [place, { state }] of turn.lines.entries()) {
      if (state !== "waiting") this.#lines.at(place - turn.lines.length).state = known[state];
    }
    this.#show();
  }

  text({ turn_id: turn, sequence_number: sequence, is_final: final }) {
    const place = this.#lines.findIndex((line) => line.sequence === sequence && line.state !== "over");
    if (place < 0 || !turn) return;
    this.#become(this.#lines[place], final ? "ready" : "writing");
    const next = this.#lines[place + 1];
    if (final && next?.state === "waiting") this.#become(next, "writing");
  }

  /** The server has handed out all of a line; it may sound for a while yet. */
  lineFinished({ sequence_number: sequence }) {
    const line = this.#lines.find((one) => one.sequence === sequence);
    if (line) this.#become(line, "over");
  }

  interrupted({ generation, sequence_number: sequence }) {
    const single = sequence !== undefined && sequence !== null;
    this.#lines = this.#lines.filter((line) =>
      single ? line.generation !== generation || line.sequence !== sequence : line.generation > (generation ?? Infinity),
    );
    this.#show();
  }

  /** The loudspeaker plays this line now, or none. */
  sounds(line) {
    this.#sounding = line;
    this.#show();
  }

  /** Somebody is to speak after these. */
  asked(id) {
    this.#asked = id;
    this.#show();
  }

  reset() {
    this.#lines = [];
    this.#show();
  }

  #become(line, state) {
    if (line.state === state) return; // letters stream: only what changes is shown
    line.state = state;
    this.#show();
  }

  #sounds({ generation, sequence }) {
    return this.#sounding?.generation === generation && this.#sounding.sequence === sequence;
  }

  #show() {
    const open = this.#lines.filter((line) => line.state !== "over" || this.#sounds(line));
    const words = open.map((line, place) => this.#words(line, place));
    if (this.#asked) words.push(`${words.length ? "then " : "next "}${nameOf(this.#asked)} (asked)`);
    this.element.textContent = words.join(", ");
  }

  #words(line, place) {
    const name = nameOf(line.id);
    if (this.#sounds(line)) return `now ${name}`;
    const state = { writing: " (writing)", ready: " (ready)" }[line.state] ?? "";
    return `${place ? "then" : "first"} ${name}${state}`;
  }
}

function nameOf(id) {
  return document.getElementById(`cast-${id}`)?.dataset.name ?? "somebody";
}
