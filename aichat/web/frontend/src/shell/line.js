// The line to the server, on pages that do not talk: is it there, how far away, and how do the parts get on.
import { announce } from "./announcer.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const PATIENCE = 2; // failures in a row before it is said
const WORDS = { connecting: "Connecting…", connected: "Connected", offline: "Offline: trying again" };

export class Line {
  #socket = null;
  #failures = 0;
  #retry = 0;
  #pongs = new Map(); // t -> resolve

  constructor({ state, banner, onHtml }) {
    Object.assign(this, { state, banner, onHtml, word: state.querySelector(".connection-word") });
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", ({ persisted }) => persisted && this.open());
    addEventListener("online", () => this.#socket || this.open());
  }

  get works() {
    return this.state.dataset.state !== "offline";
  }

  open() {
    clearTimeout(this.#retry);
    const address = new URL("/ws/status", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const { parts } = document.getElementById("statuses")?.dataset ?? {};
    if (parts) address.searchParams.set("parts", parts);
    if (document.getElementById("conversations")) address.searchParams.set("list", "yes");
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => socket === this.#socket && this.#closed();
  }

  /** Asks the server and resolves with the milliseconds until it has answered. */
  ping() {
    const t = performance.now();
    this.#socket.send(JSON.stringify({ type: "ping", t }));
    return new Promise((resolve) => this.#pongs.set(t, () => resolve(performance.now() - t)));
  }

  #opened() {
    this.#failures = 0;
    this.#show("connected");
  }

  #take(frame) {
    if (frame.type === "html") this.onHtml(frame.html);
    if (frame.type !== "pong") return;
    this.#pongs.get(frame.t)?.();
    this.#pongs.delete(frame.t);
  }

  #closed() {
    this.#socket = null;
    this.#pongs.clear();
    this.#failures += 1;
    if (this.#failures >= PATIENCE || navigator.onLine === false) this.#show("offline");
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    this.#retry = setTimeout(() => this.open(), pause * (0.5 + Math.random() / 2));
  }

  #leave() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#retry);
    socket?.close();
  }

  #show(state) {
    const before = this.state.dataset.state;
    this.state.dataset.state = state;
    this.word.textContent = WORDS[state];
    this.banner.hidden = state !== "offline";
    if (state === before) return;
    if (state === "offline") announce("The server does not answer.");
    else if (before === "offline") announce("The server is back.");
  }
}
