// Shows the conversation: streamed text, who is speaking, and the interim transcript.
import { Captions } from "./captions.js";
import { applyFragments } from "./html-fragments.js";
import { keepFocus } from "./message-actions.js";
import { localTimes } from "./local-times.js";

const LINGER_MS = 4_000;
const messageOf = (id) => document.getElementById(`m-${id}`);
const castOf = (id) => document.getElementById(`cast-${id}`);

export class ConversationView {
  #turn = null; // the newest turn: {generation, lines, open}
  #lines = new Map(); // of a few turns, so that a line still sounding is found
  #sounding = null;
  #fading = 0;
  captions = new Captions();

  constructor({ transcript, goingOn, announce, canHear, onChange }) {
    Object.assign(this, { transcript, goingOn, announce, canHear, onChange });
    localTimes(document);
  }

  /** Somebody speaks, or is about to. */
  get busy() {
    return this.#sounding !== null || Boolean(this.#turn?.open.size);
  }

  html({ html }) {
    keepFocus(() => applyFragments(html));
    localTimes(document);
    this.#show();
  }

  turnStarted({ generation, lines, auto }) {
    for (const line of lines) this.#lines.set(`${generation}/${line.sequence_number}`, line);
    for (const key of this.#lines.keys()) if (Number.parseInt(key) < generation - 8) this.#lines.delete(key);
    this.#turn = { generation, auto, open: new Set(lines.map((line) => line.sequence_number)) };
    this.#clearTranscript();
    this.#show();
  }

  text(frame) {
    const { message_id: id, text, is_final: final, restarts } = frame;
    const { character_name: name, sequence_number: sequence, chunk_index: chunk } = frame;
    const message = messageOf(id);
    if (!message || chunk < Number(message.dataset.chunks ?? 0)) return; // it came with the page
    message.dataset.chunks = String(chunk + 1);
    const box = message.querySelector(".message-text");
    message.classList.remove("is-thinking");
    message.classList.toggle("is-queued", this.#waits(sequence));
    if (restarts) box.replaceChildren();
    if (text) {
      message.classList.add("is-streaming");
      if (box.lastChild?.nodeType === Node.TEXT_NODE) box.lastChild.appendData(text);
      else box.append(text);
    }
    if (final) this.#written(message, box, name, sequence);
  }

  /** Somebody before it in its turn has not finished, or sounds yet. */
  #waits(sequence) {
    if (!this.#turn) return false;
    const sounding = this.#sounding?.generation === this.#turn.generation ? [this.#sounding.sequence] : [];
    return [...this.#turn.open, ...sounding].some((other) => other < sequence);
  }

  #written(message, box, name, sequence) {
    message.classList.remove("is-streaming");
    if (!this.canHear()) this.announce(`${name}: ${box.textContent}`);
    const next = this.#turn && this.#lines.get(`${this.#turn.generation}/${sequence + 1}`);
    const waiting = messageOf(next?.message_id);
    if (waiting?.querySelector(".message-text:empty")) waiting.classList.replace("is-queued", "is-thinking");
  }

  /** A turn that goes on, for a page that comes in the middle; its messages come as fragments. */
  goesOn(turn) {
    this.turnStarted(turn);
    for (const line of turn.lines) if (line.state === "over") this.lineFinished(line);
  }

  lineFinished({ sequence_number: sequence }) {
    this.#turn?.open.delete(sequence);
    this.#showGoingOn();
    this.onChange();
  }

  interrupted({ generation, sequence_number: sequence }) {
    const single = sequence !== undefined && sequence !== null;
    if (single) this.#turn?.open.delete(sequence);
    else if (generation === undefined || generation >= (this.#turn?.generation ?? 0)) this.#turn = null;
    for (const message of single ? [] : document.querySelectorAll(".is-queued, .is-thinking")) {
      message.classList.remove("is-queued", "is-thinking");
    }
    this.#show();
  }

  /** The connection began anew: nothing of before goes on. */
  reset() {
    this.#turn = null;
    this.#show();
  }

  /** The loudspeaker plays this line now, or none. */
  sounds(line) {
    this.#sounding = line;
    if (!line) this.captions.silent();
    this.#show();
  }

  level(value, played) {
    const line = this.#line();
    if (line) this.captions.heard(line.message_id, played);
    this.#cast()?.style.setProperty("--level", Math.min(1, value * 5).toFixed(2));
  }

  transcribed({ text, is_final: final }) {
    clearTimeout(this.#fading);
    if (!text && !final) return;
    this.transcript.querySelector(".transcript-text").textContent = text || "I did not catch that. Please say it again.";
    this.transcript.classList.toggle("is-final", final);
    this.transcript.hidden = false;
    if (final) this.#fading = setTimeout(() => this.#clearTranscript(), LINGER_MS);
  }

  #clearTranscript() {
    clearTimeout(this.#fading);
    this.transcript.hidden = true;
  }

  #line() {
    return this.#sounding && this.#lines.get(`${this.#sounding.generation}/${this.#sounding.sequence}`);
  }

  #cast() {
    const line = this.#line();
    return line && castOf(line.character_id);
  }

  /** Makes the page agree with the loudspeaker, whatever fragments have come in between. */
  #show() {
    const line = this.#line();
    const speaking = new Set(line ? [messageOf(line.message_id), castOf(line.character_id)] : []);
    for (const old of document.querySelectorAll(".is-speaking")) {
      if (!speaking.has(old)) old.classList.remove("is-speaking");
    }
    for (const element of speaking) {
      element?.classList.remove("is-queued", "is-thinking");
      element?.classList.add("is-speaking");
    }
    this.#showGoingOn();
    this.onChange();
  }

  /** The characters talk among themselves: say for how long yet. */
  #showGoingOn() {
    const { auto, generation } = this.#turn ?? {};
    this.goingOn.hidden = !auto || !this.busy;
    if (this.goingOn.hidden) return;
    const place = this.#sounding?.generation === generation ? this.#sounding.sequence : 0;
    this.goingOn.textContent = `They go on by themselves: reply ${auto.count + 1 + place} of ${auto.cap}. Speak or write to interrupt.`;
  }

  /** The window is named after the conversation. */
  title() {
    document.title = `${document.getElementById("title").textContent.trim()} · aichat`;
  }
}
