// What is to be played, in order of arrival, and the fence that keeps stale audio out. All counts are
// samples. Cancelling is never synchronous: a chunk can arrive after the flush that voids it, so
// each one carries its turn's number (generation) and its speaker's place (sequence).

/** From one level towards another, without reaching it. */
const glide = (from, to, length) => Float32Array.from({ length }, (_, i) => from + ((to - from) * (i + 1)) / (length + 1));

const MOST_GAINS = 64; // lines whose volume is known

const keyOf = ({ generation, sequence }) => generation * 65_536 + sequence;

export class PlaybackQueue {
  #chunks = [];
  #offset = 0; // within the first chunk
  #queued = 0;
  #line = null; // what sounds now
  #floor = -1; // this generation and all before it are void
  #newest = [-1, 0, 0]; // generation, sequence and number of the chunk that came last
  #void = new Map(); // single lines that are void, key -> generation
  #tail = new Float32Array(0); // the glide that is still to be played
  #replaced = null; // the glide before a pause of which nothing has been played yet
  #held = true; // collecting a little before the start
  #since = null;
  #paused = false; // somebody may be breaking in: the position is held
  #waited = 0; // while paused and nobody speaks
  #gains = new Map(); // of lines that are not at full volume, key -> gain
  #gain = 1; // of what sounds now; it glides to what is wanted
  #speaking = false; // our own microphone hears somebody
  #last = 0; // the sample that went out last
  underruns = 0;
  dropped = 0;

  constructor(rate, onReport) {
    this.onReport = onReport; // called with {state: playing|paused|flushed|done, generation, sequence, samples} and {sounding}
    this.enough = 0.06 * rate; // start when this much is there,
    this.patience = 0.1 * rate; // or this long after the first of it
    this.fade = 0.005 * rate;
    this.rise = 0.002 * rate;
    this.swell = 1 / (0.02 * rate); // the volume goes from nothing to full in 20 ms: no click
    this.longest = 5 * rate; // timeout of a pause without a word from the server: it goes on
    this.step = 0.1 * rate; // between two reports
  }

  /** Samples that have been played of the line that sounds. */
  get played() {
    return this.#line?.played ?? 0;
  }

  push(chunk) {
    if (this.#isVoid(chunk) || !this.#isNew(chunk)) {
      this.dropped += 1;
      return;
    }
    this.#chunks.push(chunk);
    this.#queued += chunk.samples.length;
  }

  /** How loud a line is to be, 0..1. */
  volume(line, gain) {
    if (gain === 1) this.#gains.delete(keyOf(line));
    else this.#gains.set(keyOf(line), gain);
    if (this.#gains.size > MOST_GAINS) this.#gains.delete(this.#gains.keys().next().value);
  }

  /** No more will come for this line, even if no chunk said that it was the last. */
  end(line) {
    const last = this.#chunks.findLast((chunk) => keyOf(chunk) === keyOf(line));
    if (last) last.last = true;
    else if (this.#line && keyOf(this.#line) === keyOf(line)) this.#finish();
  }

  /** Our own microphone hears that somebody begins or ceases to speak: playback holds. */
  hear(speaking) {
    this.#speaking = speaking;
    this.#waited = 0;
    if (speaking && this.#line) this.pause();
  }

  /** Holds the position: nothing is played, nothing is lost. The sound glides to silence, so it does not click. */
  pause() {
    if (this.#paused) return;
    this.#paused = true;
    this.#waited = 0;
    this.#replaced = this.#tail;
    this.#tail = glide(this.#last, 0, this.fade);
    if (this.#line) this.#report(this.#line, "paused");
  }

  /** Goes on with the sample after the last one played, from the level that the pause has come down to. */
  resume() {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#replaced) this.#tail = this.#replaced;
    else if (!this.#held && this.#chunks.length) this.#tail = glide(this.#last, this.#next(), this.rise);
    if (this.#line) this.#report(this.#line, "playing");
  }

  /** Drops a whole generation with all before it, or one line of it. */
  flush(generation, sequence) {
    const one = sequence !== undefined;
    const hit = (line) => (one ? keyOf(line) === keyOf({ generation, sequence }) : line.generation <= generation);
    if (one) this.#void.set(keyOf({ generation, sequence }), generation);
    else this.#raise(generation);
    this.#drop(hit);
    if (!one) this.#release();
  }

  /** What it was held for is decided: a line that still sounds goes on, any other begins. */
  #release() {
    if (this.#line) this.resume();
    this.#paused = false;
  }

  /** Drops everything that has come so far. */
  hush() {
    if (this.#newest[0] > this.#floor) this.flush(this.#newest[0]);
  }

  /** A connection began. One that resumes goes on; any other starts numbering anew. */
  begin(floor, resumed) {
    if (!resumed) this.#drop(() => true);
    if (!resumed) this.#void.clear();
    if (!resumed) this.#newest = [floor, 0, 0];
    if (resumed) this.flush(floor);
    else this.#floor = floor;
    this.#release();
  }

  /** Fills *out*; *time* is the frame number of its first sample. */
  render(out, time) {
    this.#fill(out, time);
    this.#last = out[out.length - 1];
    this.#replaced = null;
  }

  #fill(out, time) {
    if (this.#paused) this.#watch(out.length);
    let at = this.#fadeInto(out);
    if (this.#paused || this.#holding(time)) return;
    while (at < out.length && this.#chunks.length) at += this.#copy(out, at);
    if (at < out.length) this.#ranDry();
  }

  #watch(samples) {
    this.#waited = this.#speaking ? 0 : this.#waited + samples;
    if (this.#waited > this.longest) this.resume();
  }

  #next() {
    return (this.#chunks[0].samples[this.#offset] / 32_768) * this.#gain;
  }

  /** A chunk that comes late or twice never gets behind newer ones. */
  #isNew({ generation, sequence, chunk }) {
    const place = [generation, sequence, chunk];
    const differs = place.findIndex((value, i) => value !== this.#newest[i]);
    const isNew = differs >= 0 && place[differs] > this.#newest[differs];
    if (isNew) this.#newest = place;
    return isNew;
  }

  #isVoid(line) {
    return line.generation <= this.#floor || this.#void.has(keyOf(line));
  }

  #raise(generation) {
    this.#floor = Math.max(this.#floor, generation);
    for (const [key, of] of this.#void) if (of <= this.#floor) this.#void.delete(key);
  }

  #drop(hit) {
    const lines = new Map(this.#chunks.filter(hit).map((chunk) => [keyOf(chunk), { ...chunk, played: 0 }]));
    if (this.#line && hit(this.#line)) {
      lines.set(keyOf(this.#line), this.#line);
      if (!this.#paused) this.#tail = this.#tail.length ? glide(this.#last, 0, this.fade) : this.#fadeOut(hit);
      this.#replaced = null;
      this.#sound(null);
    }
    if (this.#chunks.length && hit(this.#chunks[0])) this.#offset = 0;
    this.#chunks = this.#chunks.filter((chunk) => !hit(chunk));
    this.#queued = this.#chunks.reduce((sum, { samples }) => sum + samples.length, -this.#offset);
    if (!this.#chunks.length) this.#held = true;
    for (const line of lines.values()) this.#report(line, "flushed");
  }

  /** The next 5 ms of what is being dropped, going to nothing, so that the end does not click. */
  #fadeOut(hit) {
    const next = [];
    let skip = this.#offset;
    for (const { samples } of this.#held ? [] : this.#chunks.filter(hit)) {
      if (next.length >= this.fade) break;
      next.push(...samples.subarray(skip, skip + this.fade - next.length));
      skip = 0;
    }
    return Float32Array.from(next, (sample, i) => (sample / 32_768) * this.#gain * (1 - i / next.length));
  }

  #fadeInto(out) {
    const part = this.#tail.subarray(0, out.length);
    out.set(part);
    this.#tail = this.#tail.subarray(part.length);
    return part.length;
  }

  #holding(time) {
    if (!this.#held) return false;
    if (!this.#chunks.length) this.#since = null;
    else this.#since ??= time;
    if (this.#since === null) return true;
    const ready = this.#queued >= this.enough || this.#chunks.some((chunk) => chunk.last);
    this.#held = !ready && time - this.#since < this.patience;
    if (!this.#held) this.#since = null;
    return this.#held;
  }

  #copy(out, at) {
    const chunk = this.#chunks[0];
    if (!this.#line || keyOf(this.#line) !== keyOf(chunk)) this.#start(chunk);
    const count = Math.min(out.length - at, chunk.samples.length - this.#offset);
    const wanted = this.#gains.get(keyOf(chunk)) ?? 1;
    for (let k = 0; k < count; k++) {
      if (this.#gain !== wanted) this.#gain += Math.max(-this.swell, Math.min(this.swell, wanted - this.#gain));
      out[at + k] = (chunk.samples[this.#offset + k] / 32_768) * this.#gain;
    }
    this.#advance(chunk, count);
    return count;
  }

  #advance(chunk, count) {
    this.#offset += count;
    this.#queued -= count;
    this.#line.played += count;
    if (this.#line.played - this.#line.reported >= this.step) this.#report(this.#line, "playing");
    if (this.#offset < chunk.samples.length) return;
    this.#chunks.shift();
    this.#offset = 0;
    if (chunk.last) this.#finish();
  }

  #start({ generation, sequence }) {
    if (this.#line) this.#finish();
    this.#sound({ generation, sequence, played: 0, reported: 0 });
    this.#gain = this.#gains.get(keyOf(this.#line)) ?? 1;
  }

  #finish() {
    this.#report(this.#line, "done");
    this.#sound(null);
  }

  #ranDry() {
    if (this.#line) this.underruns += 1;
    this.#held = true;
  }

  #sound(line) {
    this.#line = line;
    this.onReport({ sounding: line && { generation: line.generation, sequence: line.sequence } });
  }

  #report(line, state) {
    line.reported = line.played;
    this.onReport({ state, generation: line.generation, sequence: line.sequence, samples: line.played });
  }
}
