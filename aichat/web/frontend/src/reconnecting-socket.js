// A WebSocket that connects again after every failure, with growing pauses, until the server refuses it for good.

const PING_MS = 10_000;
const SILENT_MS = 25_000; // two pings unanswered: the connection is dead, whatever TCP believes

const AWAY = "The server does not answer.";

const now = () => performance.timeOrigin + performance.now();

export class ReconnectingSocket {
  #socket = null;
  #state = "connecting"; // connected, reconnecting, offline, refused
  #everConnected = false;
  #failures = 0; // in a row
  #retry = 0;
  #pings = 0;
  #heard = 0; // when the server last sent something
  #unanswered = 0; // pings since then
  #asked = new Map(); // the time of a ping -> {resolve, reject}

  /**
   * *address* is called before every attempt, so that it can say what has been received already. After *patience*
   * failures in a row the state is "offline". *isFinal* says of a close code whether trying again would not help.
   */
  constructor({ address, protocols = [], firstPauseMs, longestPauseMs, patience, isFinal = () => false }, handlers) {
    Object.assign(this, { address, protocols, firstPauseMs, longestPauseMs, patience, isFinal });
    Object.assign(this, handlers); // onState(state, reason, code), onText(message), onBinary(buffer)
    addEventListener("online", () => this.#retryNow());
    // a worker has none of these events; a page that is kept for the back button must not keep its socket
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", ({ persisted }) => persisted && this.open());
    globalThis.document?.addEventListener("visibilitychange", () => this.#retryNow());
  }

  get state() {
    return this.#state;
  }

  get isOpen() {
    return this.#state === "connected" && this.#socket?.readyState === WebSocket.OPEN;
  }

  get bufferedAmount() {
    return this.#socket.bufferedAmount;
  }

  open() {
    clearTimeout(this.#retry);
    if (this.#socket || this.#state === "refused") return;
    const socket = new WebSocket(this.address(), this.protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.onOpen?.();
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = (event) => this.#closed(socket, event);
    this.#socket = socket;
    this.#heard = now();
    this.#unanswered = 0;
    this.#pings = setInterval(() => this.#watch(), PING_MS);
  }

  /** The server has accepted the connection: by opening it, or by its first frame, as its owner decides. */
  connected() {
    this.#failures = 0;
    this.#everConnected = true;
    this.#show("connected");
  }

  /** Ends the connection for good. */
  refuse(reason, code = 0) {
    this.#release()?.close();
    this.#show("refused", reason, code);
  }

  /** Sends text or bytes; false if there is no connection. */
  send(data) {
    if (this.isOpen) this.#socket.send(data);
    return this.isOpen;
  }

  /** Resolves with the milliseconds until the server has answered. */
  ping() {
    return new Promise((resolve, reject) => {
      const t = now();
      if (!this.#sendPing(t)) reject(new Error(AWAY));
      else this.#asked.set(t, { resolve: () => resolve(now() - t), reject });
    });
  }

  #sendPing(t) {
    return this.send(JSON.stringify({ type: "ping", t }));
  }

  #take(data) {
    this.#heard = now();
    this.#unanswered = 0;
    if (typeof data !== "string") return void this.onBinary(data);
    const message = JSON.parse(data);
    if (message.type !== "pong") return void this.onText(message);
    this.#asked.get(message.t)?.resolve();
    this.#asked.delete(message.t);
  }

  #watch() {
    // a timer that was late, as in a hidden page, says nothing of the server: only an unanswered ping does
    if (this.#unanswered && now() - this.#heard > SILENT_MS) return this.#drop();
    this.#unanswered += 1;
    this.#sendPing(now());
  }

  #drop() {
    // close() on a dead connection waits long for an answer; go on without it
    const socket = this.#socket;
    socket.close();
    this.#closed(socket, { code: 1006, reason: "" });
  }

  #closed(socket, { code, reason }) {
    if (socket !== this.#socket) return;
    const final = this.isFinal(code, this.#state === "connected");
    this.#release();
    if (final) this.#show("refused", reason, code);
    else this.#again();
  }

  #again() {
    this.#failures += 1;
    // a browser that is offline may still reach a server on the same machine: try in any case
    const lost = this.#failures > this.patience || navigator.onLine === false;
    this.#show(lost ? "offline" : this.#everConnected ? "reconnecting" : "connecting");
    const pause = Math.min(this.firstPauseMs * 2 ** (this.#failures - 1), this.longestPauseMs);
    this.#retry = setTimeout(() => this.open(), pause * (0.5 + Math.random() / 2));
  }

  /** The network is back, or the page is looked at again: the rest of the pause would be wasted. */
  #retryNow() {
    if (this.#failures && globalThis.document?.visibilityState !== "hidden") this.open();
  }

  #leave() {
    clearTimeout(this.#retry);
    this.#release()?.close();
  }

  /** Takes no more notice of the socket, and returns it. */
  #release() {
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = null;
    clearInterval(this.#pings);
    this.#socket = null;
    for (const { reject } of this.#asked.values()) reject(new Error(AWAY));
    this.#asked.clear();
    return socket;
  }

  #show(state, reason = "", code = 0) {
    this.#state = state;
    this.onState(state, reason, code);
  }
}
