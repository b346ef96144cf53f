// The WebSocket, for as long as the page lives: it reconnects with growing pauses and resumes where it was.
import { readFrame } from "./wire.js";

const PROTOCOL = "aichat.v1";
const PING_MS = 10_000;
const SILENT_MS = 25_000; // two pings unanswered: the line is dead, whatever TCP believes
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
const PATIENCE = 4; // failed attempts before the page says that it is offline
const MOST_BUFFERED = 64 * 1024; // bytes; two seconds of microphone
const SILENT = 1008; // or another limit, or no login
const FINAL = new Set([SILENT, 4404]); // the server has sent the reason, and trying again would not help

const now = () => performance.timeOrigin + performance.now();

export class Link {
  #socket = null;
  #session = null;
  #lastEvent = 0;
  #failures = 0;
  #heard = 0;
  #retry = 0;
  #pings = 0;
  #ready = false;
  #over = false; // refused for good
  clockOffset = 0; // ms to add to our clock to get the server's

  constructor({ conversation, characters }, { onState, onMessage, onAudio, position }) {
    this.conversation = conversation;
    this.characters = characters; // who takes part in a conversation that is yet to be made
    this.onState = onState;
    this.onMessage = onMessage;
    this.onAudio = onAudio;
    this.position = position; // how far the loudspeaker got, for the server when we come back
    addEventListener("online", () => this.open());
  }

  open() {
    clearTimeout(this.#retry);
    if (this.#socket || this.#over) return;
    const socket = new WebSocket(this.#url(), [PROTOCOL]);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = (event) => this.#closed(socket, event);
    this.#socket = socket;
    this.#heard = now();
    this.#pings = setInterval(() => this.#ping(), PING_MS);
  }

  get ready() {
    return this.#ready && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Sends a text frame; false when there is nobody to send it to. */
  send(message) {
    if (!this.ready) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Sends microphone audio; what a stalled network cannot take is dropped, not kept for later, and false returned. */
  sendAudio(buffer) {
    const flows = this.ready && this.#socket.bufferedAmount < MOST_BUFFERED;
    if (flows) this.#socket.send(buffer);
    return flows;
  }

  #url() {
    const query = new URLSearchParams({ view: "html" });
    if (this.conversation) query.set("conversation_id", this.conversation);
    else if (this.characters) query.set("character_ids", this.characters);
    if (this.#session) {
      query.set("session_id", this.#session);
      query.set("last_event_id", String(this.#lastEvent));
      for (const [name, value] of Object.entries(this.position() ?? {})) query.set(name, String(value));
    }
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    return `${scheme}//${location.host}/ws?${query}`;
  }

  #take(data) {
    this.#heard = now();
    if (typeof data === "string") this.#takeText(JSON.parse(data));
    else this.#takeAudio(data);
  }

  #takeText(message) {
    this.#seen(message.event_id);
    if (message.type === "ready") this.#begin(message);
    if (message.type === "pong") this.#measure(message);
    else this.onMessage(message);
  }

  #takeAudio(buffer) {
    const frame = readFrame(buffer);
    if (frame === null) {
      this.#finish("refused", "The server speaks a newer language than this page. Reload the page.");
      return;
    }
    this.#seen(frame.event);
    this.onAudio(frame);
  }

  #seen(event) {
    if (event > this.#lastEvent) this.#lastEvent = event;
  }

  #begin(message) {
    if (!message.resumed) this.#lastEvent = message.event_id ?? 0;
    this.#session = message.session_id;
    this.conversation = message.conversation_id;
    this.#failures = 0;
    this.#ready = true;
    this.onState("connected");
    this.#ping();
  }

  #ping() {
    if (now() - this.#heard > SILENT_MS) this.#drop();
    else this.send({ type: "ping", t: now() });
  }

  #measure({ t, server_time: server }) {
    this.clockOffset = server * 1000 - (t + now()) / 2; // the server counts in seconds
  }

  #drop() {
    // close() on a dead line waits long for an answer; go on without it
    const socket = this.#socket;
    socket.close();
    this.#closed(socket, { code: 1006, reason: "" });
  }

  #closed(socket, { code, reason }) {
    if (socket !== this.#socket) return;
    // a computer that slept was silent for too long: a client that was connected may try once more
    const final = FINAL.has(code) && !(code === SILENT && this.#ready);
    socket.onmessage = null;
    clearInterval(this.#pings);
    this.#socket = null;
    this.#ready = false;
    if (final) this.#finish("refused", reason, code);
    else this.#again();
  }

  #again() {
    this.#failures += 1;
    // a browser that is offline may still reach a server on the same machine: try in any case
    const lost = this.#failures > PATIENCE || navigator.onLine === false;
    this.onState(lost ? "offline" : this.#session ? "reconnecting" : "connecting");
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    this.#retry = setTimeout(() => this.open(), pause * (0.5 + Math.random() / 2));
  }

  #finish(state, reason, code = 0) {
    const socket = this.#socket;
    this.#socket = null;
    this.#ready = false;
    this.#over = true;
    clearInterval(this.#pings);
    socket?.close();
    this.onState(state, reason, code);
  }
}
