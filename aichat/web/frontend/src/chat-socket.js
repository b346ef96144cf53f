// The WebSocket of a conversation: it opens a session, and resumes it where it was after every reconnect.
import { readFrame } from "./audio-frame.js";
import { ReconnectingSocket } from "./reconnecting-socket.js";

const MOST_BUFFERED = 64 * 1024; // bytes; two seconds of microphone
const LIMIT = 1008; // silent for too long, or another limit, or no login
const GONE = 4404; // the conversation does not exist

/** The server has sent the reason, and trying again would not help. */
function isFinal(code, wasConnected) {
  // a computer that slept was silent for too long: a client that was connected may try once more
  return code === GONE || (code === LIMIT && !wasConnected);
}

export class ChatSocket {
  #socket;
  #session = null;
  #lastEvent = 0;

  constructor({ conversation, characters }, { onState, onMessage, onAudio, position }) {
    this.conversation = conversation;
    this.characters = characters; // who takes part in a conversation that is yet to be made
    this.onMessage = onMessage;
    this.onAudio = onAudio;
    this.position = position; // how far the loudspeaker got, for the server when we come back
    this.#socket = new ReconnectingSocket(
      { address: () => this.#address(), protocols: ["aichat.v1"], firstPauseMs: 250, longestPauseMs: 5_000, patience: 4, isFinal },
      { onState, onText: (message) => this.#takeText(message), onBinary: (buffer) => this.#takeAudio(buffer) },
    );
  }

  open() {
    this.#socket.open();
  }

  /** Sends a text frame; false when there is nobody to send it to. */
  send(message) {
    return this.#socket.send(JSON.stringify(message));
  }

  /** Sends microphone audio; what a stalled network cannot take is dropped, not kept for later, and false returned. */
  sendAudio(buffer) {
    return this.#socket.isOpen && this.#socket.bufferedAmount < MOST_BUFFERED && this.#socket.send(buffer);
  }

  #address() {
    const query = new URLSearchParams({ view: "html" });
    if (navigator.languages?.length) query.set("languages", navigator.languages.join(","));
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

  #takeText(message) {
    this.#received(message.event_id);
    if (message.type === "ready") this.#begin(message);
    this.onMessage(message);
  }

  #takeAudio(buffer) {
    const frame = readFrame(buffer);
    if (frame === null) {
      this.#socket.refuse("The server is newer than this page. Reload the page.");
      return;
    }
    this.#received(frame.event);
    this.onAudio(frame);
  }

  #received(event) {
    if (event > this.#lastEvent) this.#lastEvent = event;
  }

  #begin(message) {
    if (!message.resumed) this.#lastEvent = message.event_id ?? 0;
    this.#session = message.session_id;
    this.conversation = message.conversation_id;
    this.#socket.connected();
  }
}
