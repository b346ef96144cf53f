// Sounds of the test: two tones, and what was recorded.

const TONES = [523.25, 659.25]; // C and E
const TONE_S = 0.35;
const VOICE_RATE = 16_000;

async function context(route) {
  const made = new AudioContext({ latencyHint: "interactive" });
  const there = await route(made);
  await made.resume();
  return { made, there };
}

const over = (source) => new Promise((resolve) => (source.onended = resolve));

/** Plays two tones; resolves with whether the chosen loudspeaker was there. */
export async function ring(route) {
  const { made, there } = await context(route);
  const gain = new GainNode(made, { gain: 0 });
  gain.connect(made.destination);
  let last;
  TONES.forEach((frequency, k) => {
    const begin = made.currentTime + 0.05 + k * TONE_S;
    last = new OscillatorNode(made, { frequency });
    last.connect(gain);
    gain.gain.linearRampToValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(0.25, begin + 0.03);
    gain.gain.linearRampToValueAtTime(0, begin + TONE_S - 0.02);
    last.start(begin);
    last.stop(begin + TONE_S);
  });
  await over(last);
  await made.close();
  return there;
}

/** Plays 16 kHz samples (-1..1); resolves with the loudspeaker's latency in seconds, or null. */
export async function play(samples, route) {
  const { made } = await context(route);
  const buffer = made.createBuffer(1, samples.length, VOICE_RATE);
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(made, { buffer });
  source.connect(made.destination);
  source.start();
  await over(source);
  const latency = (made.baseLatency ?? 0) + (made.outputLatency ?? 0);
  await made.close();
  return latency || null;
}
