// The microphone: permission, the worklet behind it, and its gate.
import { chosen, openMicrophone, whenChosen } from "./devices.js";

const IDLE_MS = 60_000; // then the browser's recording sign goes out; the next use asks the device again

const PROBLEMS = {
  NotAllowedError: [
    "The browser may not use the microphone.",
    "Allow it in the browser's settings for this site (the sign beside the address), then try again.",
  ],
  NotFoundError: ["No microphone was found.", "Plug one in and try again, or type instead."],
  NotReadableError: [
    "The microphone does not answer.",
    "Another program may hold it: close that program and try again.",
  ],
};
const INSECURE = [
  "Browsers give the microphone to secure pages only.",
  "Open this page with https://, or as http://localhost on the machine that runs it.",
];

/** What went wrong and how to mend it, in one line for people. */
export function explain(error) {
  return reasons(error).join(" ");
}

/** What went wrong, and how to mend it. */
export function reasons(error) {
  if (!navigator.mediaDevices) return INSECURE;
  const unknown = [`The microphone could not be used (${error.name}: ${error.message}).`, "Try again, or type instead."];
  return PROBLEMS[error.name] ?? unknown;
}

export class Microphone {
  #context = null;
  #node = null;
  #source = null;
  #stream = null;
  #idle = 0;

  /** *mouth*: a port on which the loudspeaker's worklet is told that somebody speaks. */
  constructor(script, { mouth, attach, onLevel, onLost }) {
    this.script = script;
    this.mouth = mouth;
    this.attach = attach;
    this.onLevel = onLevel;
    this.onLost = onLost;
  }

  /** Gets the device ready; the gate stays shut. Throws what getUserMedia throws. */
  async prepare() {
    clearTimeout(this.#idle);
    if (this.#stream) return;
    const stream = await openMicrophone();
    if (!this.#context) await this.#build();
    await this.#context.resume();
    this.#listenTo(stream);
  }

  /** Lets audio through; *held*: the user decides when the turn ends, not the silence. */
  openGate(held) {
    clearTimeout(this.#idle);
    this.#node.port.postMessage({ gate: held ? "hold" : "open" });
  }

  /** Lets the last 100 ms out; the worklet then ends the utterance. */
  closeGate() {
    this.#node?.port.postMessage({ gate: "close" });
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#release(), IDLE_MS);
  }

  /** What was said so far is all; the gate stays open. */
  endSpeech() {
    this.#node?.port.postMessage({ gate: "end" });
  }

  async #build() {
    const context = new AudioContext({ latencyHint: "interactive" }); // the device's own rate
    await context.audioWorklet.addModule(this.script);
    this.#node = new AudioWorkletNode(context, "aichat-microphone", { numberOfOutputs: 0 });
    this.#node.port.onmessage = ({ data }) => this.onLevel(data.level);
    const { port1, port2 } = new MessageChannel();
    const setup = { port: port1, mouth: this.mouth, sensitivity: chosen("sensitivity") };
    this.#node.port.postMessage(setup, [port1, this.mouth]);
    this.attach(port2);
    this.#context = context;
    whenChosen("microphone", () => this.#change());
    whenChosen("sensitivity", () => this.#node.port.postMessage({ sensitivity: chosen("sensitivity") }));
  }

  #listenTo(stream) {
    this.#stream = stream;
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#node);
    stream.getAudioTracks()[0].addEventListener("ended", () => this.#lose());
  }

  /** Goes on with the microphone that was chosen just now, if one is in use. */
  async #change() {
    if (!this.#stream) return;
    try {
      const stream = await openMicrophone();
      this.#drop();
      this.#listenTo(stream);
    } catch (error) {
      this.onLost(explain(error)); // the one in use stays
    }
  }

  #lose() {
    this.#release();
    this.closeGate();
    this.onLost("The microphone is gone. Plug it in again, then press the button; or type instead.");
  }

  #drop() {
    this.#source?.disconnect();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#source = this.#stream = null;
  }

  #release() {
    this.#drop();
    this.#context?.suspend();
  }
}
