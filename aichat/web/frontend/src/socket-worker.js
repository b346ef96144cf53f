// Owns the chat socket, so that a busy page never delays audio. Microphone and player talk to it directly.
import { ChatSocket } from "./chat-socket.js";

const SAMPLES_PER_MS = 24;
const MOST_TURNS = 16; // turns whose number we can still translate
const MOST_SPEAKERS = 64; // lines whose volume can still be changed
const MOST_WAITING = 512; // frames kept for a player that is not there yet

const page = self;
const turns = new Map(); // generation -> turn_id
const volumes = new Map(); // character -> gain, 0..1
let speakers = []; // the lines that may still sound, and whose they are
let socket;
let player = null;
let waiting = [];
let unheard = false; // audio came, and there is no player yet
let latest = -1; // the newest generation that we know of
let holding = false; // the user holds the button, so that pauses do not end what is said
let flows = true; // microphone audio reaches the server
let heard = null; // how far the loudspeaker was, when it last said so

// -- from the server -------------------------------------------------------------------------

function sendToPlayer(message, transfer = []) {
  if (player) player.postMessage(message, transfer);
  else if (waiting.length < MOST_WAITING) waiting.push(message);
  else waiting = [{ do: "flush", generation: latest }]; // nobody listened: let it go
}

function takeAudio({ generation, sequence, chunk, last, buffer }) {
  latest = Math.max(latest, generation);
  if (!player && !unheard) page.postMessage({ type: "unheard" });
  unheard = !player;
  sendToPlayer({ do: "play", generation, sequence, chunk, last, buffer }, [buffer]);
}

function began({ resumed, generation = -1, turn }) {
  if (!resumed) turns.clear();
  if (!resumed) heard = null;
  latest = resumed ? Math.max(latest, generation) : generation;
  sendToPlayer({ do: "begin", floor: generation, resumed });
  if (turn) turnStarted(turn);
  if (turn?.held) pause();
  if (holding) socket.send({ type: "start_of_speech" }); // the server may have taken the gap for the end
}

function turnStarted({ generation, turn_id: turn, lines }) {
  latest = Math.max(latest, generation);
  sendVolumes(generation, lines);
  turns.set(generation, turn);
  if (turns.size > MOST_TURNS) turns.delete(turns.keys().next().value);
}

// -- how loud each character is to be ------------------------------------------------------------

/** Before any of its audio comes, so that no word is louder than the user wants. */
function sendVolumes(generation, lines) {
  for (const { sequence_number: sequence, character_id: character } of lines) {
    speakers.push({ generation, sequence, character });
    sendToPlayer({ do: "volume", generation, sequence, gain: volumes.get(character) ?? 1 });
  }
  speakers = speakers.slice(-MOST_SPEAKERS);
}

function setVolume(character, gain) {
  volumes.set(character, gain);
  for (const line of speakers) {
    if (line.character === character) sendToPlayer({ do: "volume", generation: line.generation, sequence: line.sequence, gain });
  }
}

function generationOf(turn) {
  for (const [generation, id] of turns) if (id === turn) return generation;
  return undefined;
}

function interrupted({ generation, sequence_number: sequence, turn_id: turn }) {
  const fence = generation ?? generationOf(turn);
  if (fence !== undefined) sendToPlayer({ do: "flush", generation: fence, sequence: sequence ?? undefined });
}

const pause = () => sendToPlayer({ do: "pause" });
const resume = () => sendToPlayer({ do: "resume" });

function lineFinished({ turn_id: turn, sequence_number: sequence }) {
  const generation = generationOf(turn);
  if (generation !== undefined) sendToPlayer({ do: "end", generation, sequence });
}

const before = { ready: began, turn_started: turnStarted, interrupted, duck: pause, resume, turn_complete: lineFinished };

function takeMessage(message) {
  before[message.type]?.(message);
  page.postMessage(message);
}

// -- from the loudspeaker and the microphone -------------------------------------------------

function played({ generation, sequence, samples, state }) {
  const turn = turns.get(generation);
  if (turn === undefined) return;
  heard = { turn_id: turn, sequence_number: sequence, played_ms: Math.round((samples / SAMPLES_PER_MS) * 10) / 10 };
  socket.send({ type: "playback", ...heard, state });
}

function attachPlayer(port) {
  player = port;
  player.onmessage = ({ data }) => played(data);
  for (const message of waiting) sendToPlayer(message, message.buffer ? [message.buffer] : []);
  waiting = [];
}

function attachMicrophone(port) {
  port.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer) sendAudio(data);
    else mark(data);
  };
}

function sendAudio(buffer) {
  const sent = socket.sendAudio(buffer);
  if (sent !== flows) page.postMessage({ type: "flow", sent });
  flows = sent;
}

/** start_of_speech, end_of_speech: in order with the audio. */
function mark(type) {
  holding = type === "start_of_speech";
  socket.send({ type });
}

// -- from the page ---------------------------------------------------------------------------

function silence() {
  if (latest >= 0) sendToPlayer({ do: "flush", generation: latest });
}

function say(text) {
  if (socket.send({ type: "text_message", text })) silence();
  else page.postMessage({ type: "unsent", text });
}

function wish(frame) {
  if (socket.send(frame)) silence();
  else page.postMessage({ type: "unwished" });
}

function interrupt() {
  silence();
  socket.send({ type: "interrupt" });
}

function connect(conversation, characters) {
  const onState = (state, reason = "", code = 0) => page.postMessage({ type: "connection", state, reason, code });
  const handlers = { onState, onMessage: takeMessage, onAudio: takeAudio, position: () => heard };
  socket = new ChatSocket({ conversation, characters }, handlers);
  socket.open();
}

const orders = {
  connect: ({ conversation, characters }) => connect(conversation, characters),
  say: ({ text }) => say(text),
  volume: ({ character, gain }) => setVolume(character, gain),
  wish: ({ frame }) => wish(frame),
  draft: ({ text, number }) => socket.send({ type: "draft", text, number }),
  interrupt,
  player: ({ port }) => attachPlayer(port),
  microphone: ({ port }) => attachMicrophone(port),
};

page.onmessage = ({ data }) => orders[data.do](data);
