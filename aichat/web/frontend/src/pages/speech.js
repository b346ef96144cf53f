// The Speech page: choose devices, hear yourself through the server, and measure the round trip.
import { choose, chosen, openMicrophone, useLoudspeaker } from "../audio-devices.js";
import { explain } from "../microphone.js";
import { announce } from "../shell/announcer.js";
import { statusSocket } from "../shell/status-socket.js";
import { toast } from "../shell/toasts.js";
import { Echo } from "./speech/echo-test.js";
import { LEVELS, word } from "./speech/level-words.js";
import { play, ring } from "./speech/test-sounds.js";

const at = (id) => document.getElementById(id);
const form = at("devices-form");
const test = at("test-voice");
const SPEAK_MS = 3_000;
const PINGS = 10;

let busy = false;

// -- devices ---------------------------------------------------------------------------------------

async function listDevices() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  for (const [name, kind] of [["microphone", "audioinput"], ["loudspeaker", "audiooutput"]]) {
    const found = devices.filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "default");
    const select = form.elements[name];
    select.length = 1;
    for (const { deviceId, label } of found) select.add(new Option(label || "Unnamed device", deviceId));
    const kept = chosen(name);
    if (kept && !found.some(({ deviceId }) => deviceId === kept)) select.add(new Option("Your choice (not connected)", kept));
    select.value = kept;
  }
  form.elements.sensitivity.value = chosen("sensitivity");
}

form.addEventListener("change", ({ target }) => {
  choose(target.name, target.value === "normal" ? "" : target.value);
  announce("Saved.");
});

// -- the test --------------------------------------------------------------------------------------

function showState(text) {
  at("test-state").textContent = text;
  announce(text);
}

const figure = (name, text) => (document.querySelector(`[data-figure=${name}]`).textContent = text);
const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const decibels = (level) => (level > 0 ? `${Math.round(20 * Math.log10(level))} dB` : "nothing at all");

function level(value) {
  at("level").value = Math.min(1, value * LEVELS);
  const now = `Level: ${word(value)}`;
  if (at("level-word").textContent !== now) at("level-word").textContent = now;
}

async function pings() {
  const socket = await statusSocket;
  const taken = [];
  for (let k = 0; k < PINGS; k += 1) taken.push(await socket.ping());
  return taken.sort((a, b) => a - b)[PINGS >> 1];
}

async function testVoice() {
  let stream;
  try {
    stream = await openMicrophone();
  } catch (error) {
    toast(explain(error));
    return;
  }
  try {
    await listDevices(); // now they have names
    showState("Speak now.");
    const echo = new Echo({ worklet: at("test").dataset.microphoneWorklet, onLevel: level });
    const heard = await echo.record(stream, SPEAK_MS);
    level(0);
    figure("ping", ms(await pings()));
    figure("echo", `${ms(heard.middle)} (95 % within ${ms(heard.slow)})`);
    figure("peak", `${decibels(heard.peak)}: ${word(heard.peak)}`);
    figure("floor", decibels(heard.floor));
    showState("This is how you sound.");
    const out = await play(heard.samples, useLoudspeaker);
    figure("out", out === null ? "not reported" : ms(out * 1_000));
    at("figures").hidden = false;
    showState(heard.peak > 0.02 ? "Done: microphone and connection work." : "Almost nothing was heard. Is the right microphone chosen, and not muted?");
  } catch (error) {
    showState(`The test failed. ${error.message}`);
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}

async function guarded(action) {
  if (busy) return;
  busy = true;
  test.setAttribute("aria-disabled", "true");
  try {
    await action();
  } finally {
    busy = false;
    test.setAttribute("aria-disabled", "false");
  }
}

test.addEventListener("click", () => guarded(testVoice));
at("test-sound").addEventListener("click", () =>
  guarded(async () => {
    const there = await ring(useLoudspeaker);
    showState(there ? "Two tones were played. If you heard nothing, choose another loudspeaker." : "The chosen loudspeaker is not connected, so the system default was used.");
  }),
);

if (navigator.mediaDevices) {
  navigator.mediaDevices.addEventListener("devicechange", listDevices);
  listDevices();
}
