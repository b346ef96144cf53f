// Plays what the characters say. Browsers allow sound only after a first gesture, so it starts then.

import { useLoudspeaker, whenChosen } from "./audio-devices.js";
import { preference } from "./shell/preferences.js";

const RATE = 24_000;
const GESTURES = ["pointerdown", "keydown"];

/** A screen reader reads the answers out; what is played still keeps the time. */
const isSilent = () => preference("voices") === "reader";

function silenced(context) {
  const gain = new GainNode(context, { gain: 0 });
  gain.connect(context.destination);
  return gain;
}

export class Loudspeaker {
  #context = null;
  #player = null;

  /** *ears*: a port on which the microphone's worklet reports speech. */
  constructor(script, { ears, attach, onSounding, onLevel }) {
    this.script = script;
    this.ears = ears;
    this.attach = attach;
    this.onSounding = onSounding;
    this.onLevel = onLevel;
  }

  get running() {
    return this.#context?.state === "running";
  }

  /** Starts at the first gesture, or at once where the browser needs none; then keeps itself awake. */
  arm(onFailure) {
    const wake = () => this.#wake().catch(onFailure);
    for (const gesture of GESTURES) addEventListener(gesture, wake, { capture: true, passive: true });
    if (navigator.userActivation?.hasBeenActive) wake();
  }

  async #wake() {
    if (!this.#context) await this.#start();
    else if (this.#context.state !== "running") await this.#context.resume();
  }

  async #start() {
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    this.#context = context;
    try {
      await context.audioWorklet.addModule(this.script);
    } catch (error) {
      this.#context = null; // the next gesture tries again
      throw error;
    }
    const player = new AudioWorkletNode(context, "aichat-player", { numberOfInputs: 0, outputChannelCount: [1] });
    player.port.onmessage = ({ data }) => this.#hear(data);
    const { port1, port2 } = new MessageChannel();
    player.port.postMessage({ port: port1, ears: this.ears }, [port1, this.ears]);
    this.attach(port2);
    player.connect(isSilent() ? silenced(context) : context.destination);
    await useLoudspeaker(context);
    whenChosen("loudspeaker", () => useLoudspeaker(context));
    navigator.mediaDevices?.addEventListener("devicechange", () => useLoudspeaker(context)); // it is plugged in again
    this.#player = player;
    await context.resume();
  }

  /** Drops what it holds at once; another message reports that to the server. */
  hush() {
    this.#player?.port.postMessage({ do: "hush" });
  }

  #hear(report) {
    if ("level" in report) this.onLevel(report.level, report.played);
    else this.onSounding(report);
  }
}
