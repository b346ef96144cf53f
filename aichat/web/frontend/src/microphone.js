// The microphone: permission, worklet, gate, and whether audio arrives.
import { chosen, openMicrophone, whenChosen } from "./audio-devices.js";

const IDLE_MS = 60_000; // then the browser's recording sign goes out; the next use asks the device again

const RESUME_MS = 3_000; // a context that is interrupted from outside may never answer
const SILENT_MS = 2_000; // the worklet reports ten times a second
const GESTURES = ["pointerdown", "keydown"];

const PROBLEMS = {
  NotAllowedError: [
    "The browser may not use the microphone.",
    "Allow it in the browser's settings for this site (the icon beside the address), then try again.",
  ],
  NotFoundError: ["No microphone was found.", "Plug one in and try again, or type instead."],
  NotReadableError: [
    "The microphone does not answer.",
    "Another program may be using it: close that program and try again.",
  ],
  paused: ["The browser has paused the microphone.", "A phone call or another program may be using it: end that, then try again."],
  muted: ["The system has muted the microphone.", "Switch it on again, with the key on the device or in the system's settings."],
  silent: ["Nothing comes from the microphone.", "Stop and start again, or choose another microphone in the settings."],
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
  if (error.state in PROBLEMS) return PROBLEMS[error.state];
  const unknown = [`The microphone could not be used (${error.name}: ${error.message}).`, "Try again, or type instead."];
  return PROBLEMS[error.name] ?? unknown;
}

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

export class Microphone {
  #context = null;
  #node = null;
  #source = null;
  #stream = null;
  #idle = 0;
  #preparing = null; // one at a time: while the browser asks, more presses wait for the same answer
  #open = false; // the gate
  #silence = 0;
  #heard = 0; // when the worklet last reported
  #isSilent = false;
  #state = "flowing";

  /**
   * *mouth*: a port that carries to the loudspeaker's worklet that somebody speaks. *onState* is called with
   * "flowing", or with why nothing comes although the gate is open: "paused", "muted" or "silent".
   */
  constructor(script, { mouth, attach, onLevel, onLost, onState }) {
    Object.assign(this, { script, mouth, attach, onLevel, onLost, onState });
    const wake = () => this.#stream && this.#wake().catch(() => this.#report());
    for (const gesture of GESTURES) addEventListener(gesture, wake, { capture: true, passive: true });
  }

  /** Gets the device ready; the gate stays shut. Throws what getUserMedia throws, or that the context stays paused. */
  prepare() {
    clearTimeout(this.#idle);
    this.#preparing ??= this.#prepare().finally(() => (this.#preparing = null));
    return this.#preparing;
  }

  async #prepare() {
    if (!this.#stream) await this.#connect();
    try {
      await this.#wake();
    } catch (error) {
      this.closeGate(); // and lets the device go after a while
      throw error;
    }
  }

  async #connect() {
    const stream = await openMicrophone();
    try {
      if (!this.#context) await this.#build();
    } catch (error) {
      stop(stream);
      throw error;
    }
    this.#listenTo(stream);
  }

  /** Lets the context run again, whatever has paused it. */
  async #wake() {
    const context = this.#context;
    if (context.state !== "running") await Promise.race([context.resume(), later(RESUME_MS)]);
    if (context.state !== "running") throw Object.assign(new Error("The context stays paused."), { state: "paused" });
    this.#report();
  }

  /** Lets audio through; *held*: the user decides when the turn ends, not the silence. */
  openGate(held) {
    clearTimeout(this.#idle);
    this.#open = true;
    this.#node.port.postMessage({ gate: held ? "hold" : "open" });
    this.#hears();
  }

  /** Lets the last 100 ms out; the worklet then ends the utterance. */
  closeGate() {
    this.#open = false;
    clearTimeout(this.#silence);
    this.#node?.port.postMessage({ gate: "close" });
    this.#report();
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#release(), IDLE_MS);
  }

  /** What was said so far is all; the gate stays open. */
  endSpeech() {
    this.#node?.port.postMessage({ gate: "end" });
  }

  async #build() {
    const context = new AudioContext({ latencyHint: "interactive" }); // the device's own rate
    try {
      await context.audioWorklet.addModule(this.script);
    } catch (error) {
      context.close();
      throw error;
    }
    this.#node = new AudioWorkletNode(context, "aichat-microphone", { numberOfOutputs: 0 });
    this.#node.port.onmessage = ({ data }) => {
      this.#hears();
      this.onLevel(data.level);
    };
    const { port1, port2 } = new MessageChannel();
    const setup = { port: port1, mouth: this.mouth, sensitivity: chosen("sensitivity") };
    this.#node.port.postMessage(setup, [port1, this.mouth]);
    this.attach(port2);
    this.#context = context;
    context.addEventListener("statechange", () => this.#stream && this.#wake().catch(() => this.#report()));
    whenChosen("microphone", () => this.#change());
    whenChosen("sensitivity", () => this.#node.port.postMessage({ sensitivity: chosen("sensitivity") }));
  }

  #listenTo(stream) {
    this.#stream = stream;
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#node);
    const [track] = stream.getAudioTracks();
    track.addEventListener("ended", () => stream === this.#stream && this.#lose());
    for (const change of ["mute", "unmute"]) track.addEventListener(change, () => this.#report());
  }

  // -- does anything come? -------------------------------------------------------------------------

  /** The worklet lives; should it fall silent while the gate is open, that is reported. */
  #hears() {
    this.#heard = performance.now();
    this.#isSilent = false;
    this.#report();
    clearTimeout(this.#silence);
    if (this.#open) this.#silence = setTimeout(() => this.#doubt(this.#heard), SILENT_MS);
  }

  /** A busy page handles its timers before what came meanwhile: look again after that. */
  #doubt(heard) {
    this.#silence = setTimeout(() => {
      this.#isSilent = this.#open && this.#heard === heard;
      this.#report();
    });
  }

  #now() {
    if (!this.#open || !this.#stream) return "flowing"; // nobody waits for it
    if (this.#context.state !== "running") return "paused";
    if (this.#stream.getAudioTracks()[0].muted) return "muted";
    return this.#isSilent ? "silent" : "flowing";
  }

  #report() {
    const state = this.#now();
    if (state === this.#state) return;
    this.#state = state;
    this.onState(state);
  }

  /** Goes on with the microphone that was chosen just now, if one is in use. */
  async #change() {
    if (!this.#stream) return;
    try {
      const stream = await openMicrophone();
      if (!this.#stream) return stop(stream); // let go meanwhile
      this.#drop();
      this.#listenTo(stream);
    } catch (error) {
      this.onLost(explain(error)); // the one in use stays
    }
  }

  #lose() {
    this.#drop(); // the context runs on, so that the worklet ends the utterance
    this.closeGate();
    this.onLost("The microphone was disconnected. Plug it in again, then press the button; or type instead.");
  }

  #drop() {
    this.#source?.disconnect();
    if (this.#stream) stop(this.#stream);
    this.#source = this.#stream = null;
  }

  #release() {
    this.#drop();
    this.#context?.suspend();
  }
}
