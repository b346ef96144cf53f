// Records a clip into the file field that data-recorder names, so that the form sends it like any other file.
import { explain } from "../microphone.js";

const LONGEST_S = 60;
const METER_MS = 66;
// clean speech, as the microphone hears it: what a browser does for calls would be cloned as well
const WANTED = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };

export function initRecorders(root = document) {
  for (const box of root.querySelectorAll("[data-recorder]:not([data-ready])")) new Recorder(box);
}

class Recorder {
  #recorder = null;
  #timer = 0;

  constructor(box) {
    box.dataset.ready = "";
    this.field = document.getElementById(box.dataset.recorder);
    this.button = box.querySelector("[data-record]");
    this.word = this.button.querySelector("span");
    this.meter = box.querySelector("meter");
    this.time = box.querySelector(".recorder-time");
    this.status = box.querySelector("[data-recorder-status]");
    this.player = box.querySelector("audio");
    this.button.addEventListener("click", () => (this.#recorder ? this.#recorder.stop() : this.#begin()));
  }

  async #begin() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: WANTED });
    } catch (error) {
      this.status.textContent = explain(error);
      return;
    }
    const pieces = [];
    this.#recorder = new MediaRecorder(stream);
    this.#recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
    this.#recorder.addEventListener("stop", () => this.#end(stream, pieces));
    this.#recorder.start();
    this.#watch(stream);
    this.word.textContent = "Stop recording";
    this.button.setAttribute("aria-pressed", "true");
    this.status.textContent = "Recording. Read a few sentences aloud.";
  }

  #watch(stream) {
    this.context = new AudioContext();
    const ear = this.context.createAnalyser();
    this.context.createMediaStreamSource(stream).connect(ear);
    const samples = new Float32Array(ear.fftSize);
    const began = performance.now();
    this.#timer = setInterval(() => {
      ear.getFloatTimeDomainData(samples);
      this.meter.value = Math.min(1, 3 * Math.max(...samples.map(Math.abs)));
      const seconds = Math.floor((performance.now() - began) / 1000);
      this.time.textContent = `${seconds} s of ${LONGEST_S}`;
      if (seconds >= LONGEST_S - 1) this.#recorder.stop();
    }, METER_MS);
  }

  #end(stream, pieces) {
    clearInterval(this.#timer);
    this.context.close();
    for (const track of stream.getTracks()) track.stop();
    const kind = this.#recorder.mimeType;
    this.#recorder = null;
    this.meter.value = 0;
    this.word.textContent = "Record again";
    this.button.setAttribute("aria-pressed", "false");
    const file = new File(pieces, `recording.${kind.includes("mp4") ? "m4a" : "webm"}`, { type: kind });
    const transfer = new DataTransfer();
    transfer.items.add(file);
    this.field.files = transfer.files;
    this.player.src = URL.createObjectURL(file);
    this.player.hidden = false;
    this.status.textContent = "Recorded. Listen to it, then try the voice or save it.";
  }
}
