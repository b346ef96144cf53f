// Injected by the tests before the page's own scripts: records what goes to the loudspeaker.
//
// Whatever a page connects to a context's destination also goes into a MediaStreamTrackProcessor,
// which hands over every sample and (unlike a worklet) needs no module that the page's CSP would
// have to allow.
//
//   window.__recorded(which = 0)   one for each context that sounded, in order of appearance; null if none
//     {contexts, rate, samples, underruns}
//       samples   base64 of little-endian Float32, mono
//       underruns  how often the page says that it ran dry within a line
//   window.__recordedFrom(which = 0)   the performance.now() at which its first sample was heard
//   window.__recordedLag(which = 0)   ms from a sample's rendering to its being heard
//   window.__recordedPast(ms, which = 0)   resolves when the recording goes past a performance.now()
(() => {
  const BUFFERED = 10_000; // pieces of 10 ms or less that may wait while the page is busy
  const connect = AudioNode.prototype.connect;
  const recordings = new Map(); // context -> recording

  function recorderFor(context) {
    if (recordings.has(context)) return recordings.get(context);
    const node = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    const [track] = node.stream.getAudioTracks();
    const { readable } = new MediaStreamTrackProcessor({ track, maxBufferSize: BUFFERED });
    const recording = { context, node, first: context.currentTime, length: 0, blocks: [], waiting: new Set() };
    read(readable.getReader(), recording);
    recordings.set(context, recording);
    return recording;
  }

  async function read(reader, recording) {
    for (;;) {
      const { value: piece, done } = await reader.read();
      if (done) return;
      const samples = new Float32Array(piece.numberOfFrames);
      piece.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      piece.close();
      recording.blocks.push(samples);
      recording.length += samples.length;
      for (const look of recording.waiting) look();
    }
  }

  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) connect.call(this, recorderFor(this.context).node);
    return connect.call(this, target, ...rest);
  };

  function startOf({ context, first }) {
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    return performanceTime + (first - contextTime) * 1000;
  }

  function base64({ blocks, length }) {
    const all = new Float32Array(length);
    let at = 0;
    for (const block of blocks) at += (all.set(block, at), block.length);
    const bytes = new Uint8Array(all.buffer);
    let letters = "";
    for (let from = 0; from < bytes.length; from += 8192) {
      letters += String.fromCharCode(...bytes.subarray(from, from + 8192));
    }
    return btoa(letters);
  }

  window.__recordedPast = (moment, which = 0) =>
    new Promise((resolve) => {
      const recording = [...recordings.values()][which];
      const rate = recording.context.sampleRate;
      const look = () => {
        if (startOf(recording) + (recording.length / rate) * 1000 <= moment) return;
        recording.waiting.delete(look);
        resolve();
      };
      recording.waiting.add(look);
    });

  window.__recordedFrom = (which = 0) => startOf([...recordings.values()][which]);

  window.__recordedLag = (which = 0) => {
    const { context } = [...recordings.values()][which];
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    return (context.currentTime - contextTime) * 1000 - (performance.now() - performanceTime);
  };

  window.__recorded = (which = 0) => {
    const recording = [...recordings.values()][which];
    if (!recording?.length) return null;
    const { sampleRate: rate } = recording.context;
    const underruns = Number(document.body.dataset.underruns ?? 0);
    return { contexts: recordings.size, rate, samples: base64(recording), underruns };
  };
})();
