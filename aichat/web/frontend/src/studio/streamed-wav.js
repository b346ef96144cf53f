// Plays a WAV (PCM16, mono) while it is still being made; the length in its head may be unknown.

const HEAD = 44; // bytes
const RATE_AT = 24;
const LEAD_S = 0.05; // from the first piece until it sounds

/** Resolves when all of it has sounded, with a file that can be played again. Rejects when *signal* aborts. */
export async function playStream(stream, signal) {
  const context = new AudioContext();
  const pieces = [];
  const reader = stream.getReader();
  let [head, rest, at, last] = [new Uint8Array(0), new Uint8Array(0), 0, null];
  try {
    await context.resume();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      let bytes = joined(rest, piece.value);
      if (head.length === 0) {
        if (bytes.length < HEAD) {
          rest = bytes;
          continue;
        }
        head = bytes.slice(0, HEAD);
        bytes = bytes.slice(HEAD);
        at = context.currentTime + LEAD_S;
      }
      rest = bytes.slice(bytes.length & ~1);
      const pcm = bytes.slice(0, bytes.length & ~1);
      if (!pcm.length) continue;
      pieces.push(pcm);
      last = sound(context, pcm, rateOf(head), at);
      at = Math.max(at, context.currentTime) + last.buffer.duration;
    }
    if (last) await over(last, signal);
  } finally {
    await context.close();
  }
  return whole(head, pieces);
}

const rateOf = (head) => new DataView(head.buffer).getUint32(RATE_AT, true);

function joined(before, after) {
  const both = new Uint8Array(before.length + after.length);
  both.set(before);
  both.set(after, before.length);
  return both;
}

function sound(context, pcm, rate, at) {
  const samples = Float32Array.from(new Int16Array(pcm.buffer), (one) => one / 32_768);
  const buffer = context.createBuffer(1, samples.length, rate);
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  source.start(Math.max(at, context.currentTime));
  return source;
}

function over(source, signal) {
  return new Promise((resolve, reject) => {
    source.onended = resolve;
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Writes the lengths into the head. */
function whole(head, pieces) {
  const size = pieces.reduce((sum, one) => sum + one.length, 0);
  const view = new DataView(head.buffer);
  view.setUint32(4, HEAD - 8 + size, true);
  view.setUint32(HEAD - 4, size, true);
  return new Blob([head, ...pieces], { type: "audio/wav" });
}
