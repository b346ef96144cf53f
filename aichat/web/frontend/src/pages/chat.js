// The chat page: joins modules that know nothing of each other.
import { Call } from "../call.js";
import { CastPanel } from "../cast-panel.js";
import { Composer } from "../composer.js";
import { openConnection } from "../chat-connection.js";
import { ConnectionIndicator, refusal } from "../connection-indicator.js";
import { ConversationView } from "../conversation-view.js";
import { refresh, reloadLog } from "../html-fragments.js";
import { Loudspeaker } from "../loudspeaker.js";
import { MicrophoneProblem } from "../microphone-problem.js";
import { Microphone } from "../microphone.js";
import { MessageActions } from "../message-actions.js";
import { Notices } from "../notices.js";
import { initPanels } from "../panel-dialogs.js";
import { Autoscroll } from "../autoscroll.js";
import { announcesAnswers } from "../shell/announcer.js";
import { initSearch } from "../conversation-search.js";
import { TalkButton } from "../talk-button.js";
import { TurnQueue } from "../turn-queue.js";
import { localTimes } from "../local-times.js";

const LIST_TRIES = 3;
const LIST_AGAIN_MS = 1_500;
const at = (id) => document.getElementById(id);
const page = document.body.dataset;

const connection = openConnection(page);
const composer = new Composer({ form: at("composer"), connection, announce: (text) => notices.announce(text) });
const notices = new Notices();
const indicator = new ConnectionIndicator(at("connection"));
const scrolling = new Autoscroll({ scroller: at("scroller"), button: at("to-newest") });
const stop = at("stop");
let reading = 0; // how often the log is being read again just now
let held = null; // what is to be shown after that

const conversation = new ConversationView({
  transcript: at("transcript"),
  goingOn: at("going-on"),
  announce: notices.announce,
  canHear: () => loudspeaker.running && !announcesAnswers(),
  onChange: changed,
});
const queue = new TurnQueue(at("queue"));
const cast = new CastPanel({
  panel: at("cast-panel"), connection, problem: notices.problem,
  isBusy: () => conversation.busy, onAsked: (id) => queue.asked(id),
});
const { port1: mouth, port2: ears } = new MessageChannel();
const loudspeaker = new Loudspeaker(page.playerWorklet, {
  ears,
  attach: (port) => connection.attach("player", port),
  onSounding: sounding,
  onLevel: (level, played) => conversation.level(level, played),
});
const microphone = new Microphone(page.microphoneWorklet, {
  mouth,
  attach: (port) => connection.attach("microphone", port),
  onLevel: (level) => talk.level(level),
  onLost: lostMicrophone,
  onState: microphoneIs,
});
const talk = new TalkButton({
  button: at("talk"), modes: at("talk-modes"), microphone,
  onTalk: interrupt, onTrouble: (error) => trouble.show(error), onReady: () => trouble.hide(), onHint: hint,
  onOpen: (open) => (at("recording").hidden = !open),
});
const trouble = new MicrophoneProblem(at("mic-problem"), { onAgain: () => talk.again(), announce: notices.announce });
const call = new Call({ button: at("call"), end: at("end-call"), mute: at("mute"), talk, announce: notices.announce });

function changed() {
  stop.setAttribute("aria-disabled", String(!conversation?.busy));
  if (conversation && !conversation.busy) cast?.quiet();
}

function sounding({ sounding: line, underruns, dropped }) {
  conversation.sounds(line);
  queue.sounds(line);
  at("sounding").hidden = !line;
  Object.assign(page, { underruns, dropped }); // to diagnose a stutter
}

function interrupt() {
  cast.takeBack();
  if (!conversation.busy) return;
  loudspeaker.hush();
  connection.interrupt();
  conversation.sounds(null);
  queue.sounds(null);
}

const HINDRANCES = { flowing: "", paused: "Microphone paused", muted: "Muted by the system", silent: "Nothing is heard" };

/** Nothing comes from it although it is open, or again something does. */
function microphoneIs(state) {
  talk.hinder("microphone", HINDRANCES[state]);
  if (state === "flowing") trouble.hide();
  else trouble.show({ state });
}

function lostMicrophone(problem) {
  talk.lost();
  notices.problem(problem);
}

function hint(text) {
  at("composer-note").textContent = text;
  notices.announce(text);
}

function ready(event) {
  if (!event.resumed) conversation.reset();
  if (!event.resumed) queue.reset();
  if (event.turn) for (const part of [conversation, queue]) part.goesOn(event.turn);
  if (!event.resumed) talk.hears(event.listening);
  if (event.notices) notices.show(event.notices);
  if (page.conversation && !event.resumed && page.joined) readAgain(); // the server was restarted, say
  page.joined = "yes";
  remember(event.conversation_id);
}

/** Takes the log from the server; what happens meanwhile is shown afterwards, or it would be overwritten. */
async function readAgain() {
  held ??= [];
  reading += 1;
  try {
    await reloadLog();
  } finally {
    reading -= 1;
    if (!reading) showHeld();
  }
}

function showHeld() {
  const events = held;
  held = null;
  for (const show of events) show();
}

const inOrder = (show) => (event) => (held ? held.push(() => show(event)) : show(event));

function remember(id) {
  if (page.conversation === id) return;
  page.conversation = id;
  composer.moved(id);
  cast.moved(id);
  history.replaceState(null, "", `/c/${id}${location.hash}`);
  for (const form of document.querySelectorAll("form[data-says]")) form.action = `/c/${id}/messages`;
}

/** A conversation gets its title, and its place in the list, from the first thing said in it; that may be on its way to the store yet. */
async function listed(tries = LIST_TRIES) {
  if (!tries || document.querySelector("#conversations [aria-current]")) return;
  await refresh("title", "conversations");
  localTimes(document);
  conversation.title();
  setTimeout(() => listed(tries - 1), LIST_AGAIN_MS);
}

/** The user wants to change what was said last: the message's own form for that opens. */
function editLast(event) {
  const edit = [...document.querySelectorAll("#log .message.is-user [data-panel][href$='/edit']")].at(-1);
  if (!edit) return;
  event.preventDefault();
  edit.click();
}

function connectionIs(event) {
  const before = indicator.show(event.state);
  const begun = before === "connecting" && event.state === "connected"; // as expected: nothing to announce
  if (event.state === "refused") notices.problem(refusal(event));
  else if (event.state !== before && !begun) notices.announce(indicator.text);
}

function failed({ code, message }) {
  if (code !== "conversation_not_found") notices.problem(message); // that one closes the connection, with words
}

connection.on("connection", connectionIs);
connection.on("ready", ready);
connection.on("turn_complete", () => listed());
connection.on("interrupted", () => listed());
connection.on("captions", (event) => conversation.captions.setTimes(event));
connection.on("html", inOrder((event) => conversation.html(event)));
connection.on("html", inOrder(({ html }) => html.includes('id="cast"') && cast.drawn()));
connection.on("html", inOrder(({ html }) => html.includes('"#title"') && conversation.title()));
connection.on("turn_started", inOrder((event) => conversation.turnStarted(event)));
connection.on("turn_started", ({ note }) => note && hint(note));
connection.on("text_chunk", inOrder((event) => conversation.text(event)));
connection.on("turn_complete", inOrder((event) => conversation.lineFinished(event)));
connection.on("interrupted", inOrder((event) => conversation.interrupted(event)));
connection.on("transcription_chunk", (event) => {
  if (event.is_final) talk.hears(false);
  conversation.transcribed(event);
});
connection.on("turn_started", (event) => queue.turnStarted(event));
connection.on("text_chunk", (event) => queue.text(event));
connection.on("turn_complete", (event) => queue.lineFinished(event));
connection.on("interrupted", (event) => queue.interrupted(event));
connection.on("flow", ({ sent }) => talk.hinder("line", sent ? "" : "Not connected"));
connection.on("listening", ({ speaking }) => talk.hears(speaking));
connection.on("status", (event) => notices.show(event.notices));
connection.on("cast", () => composer.askWho());
connection.on("turn_started", () => composer.askWho());
connection.on("error", failed);
connection.on("hint", ({ message }) => notices.advise(message));
connection.on("unheard", () => hint("Press any key or click anywhere to hear the characters."));

stop.addEventListener("click", interrupt);
addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && interrupt());
at("composer").addEventListener("submit", () => cast.takeBack());
at("composer").addEventListener("edit-last", editLast);
at("composer").addEventListener("submit", () => scrolling.follow());
at("stage").addEventListener("click", ({ target }) => {
  const name = target.closest("[data-mention]")?.dataset.mention;
  if (name) composer.mention(name);
});
connection.on("unwished", () => notices.problem("Not connected, so nothing was sent. Try again when the connection is back."));
new MessageActions({ log: at("stage"), connection }); // the log itself may be replaced
initPanels();
initSearch();
at("suggestions").addEventListener("submit", (event) => {
  event.preventDefault();
  if (composer.say(event.submitter.value)) composer.box.focus();
});

loudspeaker.arm(() => notices.problem("The browser plays no sound. Reload the page, or read along."));
connection.open();
composer.enrich();
