// Binary audio from the server: a 16-byte little-endian header, then mono PCM16 at 24 kHz.
// aichat/web/schemas/server_frames.py documents the layout; this is its other half.
//
//   u8  version (1)        u16 sequence_number     u32 chunk_index
//   u8  flags (bit 0:      u32 generation          u32 event_id
//       the line's last)       (the turn's number)

export const HEADER_BYTES = 16;
const VERSION = 1;
const LAST = 1;

/** What the header says, or null when the frame is not one of ours. The buffer keeps header and samples. */
export function readFrame(buffer) {
  if (buffer.byteLength < HEADER_BYTES) return null;
  const view = new DataView(buffer);
  if (view.getUint8(0) !== VERSION) return null;
  return {
    last: (view.getUint8(1) & LAST) !== 0,
    sequence: view.getUint16(2, true),
    generation: view.getUint32(4, true),
    chunk: view.getUint32(8, true),
    event: view.getUint32(12, true),
    buffer,
  };
}

/** The samples of a frame, without a copy. */
export function samplesOf(buffer) {
  return new Int16Array(buffer, HEADER_BYTES, (buffer.byteLength - HEADER_BYTES) >> 1);
}
