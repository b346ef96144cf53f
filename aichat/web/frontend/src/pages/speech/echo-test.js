// Sends microphone audio to the server, which sends it back, and times each frame's round trip.

const NUMBER = 4; // bytes before each frame
const LAST_MS = 2_000; // timeout for frames that are still on their way

export class Echo {
  /** *onLevel* is called with the loudness, 0..1, while it records. */
  constructor({ worklet, onLevel }) {
    Object.assign(this, { worklet, onLevel });
    this.sent = []; // when each frame left
    this.took = []; // how long each was away
    this.back = [];
  }

  /** Records for *duration* ms; resolves with the samples that came back (16 kHz, -1..1) and figures. */
  async record(stream, duration) {
    const socket = await this.#open();
    const context = new AudioContext();
    try {
      await this.#listen(context, stream, socket, duration);
    } finally {
      await context.close();
      socket.close();
    }
    return this.#figures();
  }

  #open() {
    const address = new URL("/ws/echo", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#take(data);
    return new Promise((resolve, reject) => {
      socket.onopen = () => resolve(socket);
      socket.onclose = ({ reason }) => reject(new Error(reason || "The server does not answer."));
    });
  }

  async #listen(context, stream, socket, duration) {
    await context.audioWorklet.addModule(this.worklet);
    const node = new AudioWorkletNode(context, "aichat-microphone", { numberOfOutputs: 0 });
    const [frames, mouth] = [new MessageChannel(), new MessageChannel()];
    node.port.onmessage = ({ data }) => "level" in data && this.onLevel(data.level);
    node.port.postMessage({ port: frames.port1, mouth: mouth.port1 }, [frames.port1, mouth.port1]);
    const ended = new Promise((resolve) => {
      frames.port2.onmessage = ({ data }) => (data instanceof ArrayBuffer ? this.#send(socket, data) : resolve());
    });
    context.createMediaStreamSource(stream).connect(node);
    await context.resume();
    node.port.postMessage({ gate: "open" });
    setTimeout(() => node.port.postMessage({ gate: "close" }), duration);
    await ended;
    await this.#everythingBack();
  }

  #send(socket, frame) {
    const numbered = new Uint8Array(NUMBER + frame.byteLength);
    new DataView(numbered.buffer).setUint32(0, this.sent.length);
    numbered.set(new Uint8Array(frame), NUMBER);
    this.sent.push(performance.now());
    socket.send(numbered);
  }

  #take(data) {
    const number = new DataView(data).getUint32(0);
    this.took.push(performance.now() - this.sent[number]);
    this.back.push(new Int16Array(data.slice(NUMBER)));
    if (this.took.length === this.sent.length) this.whole?.();
  }

  #everythingBack() {
    if (this.took.length === this.sent.length) return undefined;
    return new Promise((resolve, reject) => {
      this.whole = resolve;
      setTimeout(() => reject(new Error("Some of the audio did not come back.")), LAST_MS);
    });
  }

  #figures() {
    const took = this.took.toSorted((a, b) => a - b);
    const samples = new Float32Array(this.back.reduce((sum, frame) => sum + frame.length, 0));
    const levels = [];
    let place = 0;
    for (const frame of this.back) {
      levels.push(Math.sqrt(frame.reduce((sum, one) => sum + (one / 32_768) ** 2, 0) / frame.length));
      for (const one of frame) samples[place++] = one / 32_768;
    }
    levels.sort((a, b) => a - b);
    return {
      samples,
      middle: took[took.length >> 1],
      slow: took[Math.floor(took.length * 0.95)],
      peak: levels.at(-1),
      floor: levels[levels.length >> 3],
    };
  }
}
