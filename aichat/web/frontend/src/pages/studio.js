// The pages where characters and voices are made: all of it works without this, page by page.
import { initPartials, initSwitches } from "../studio/partials.js";
import { playOneAtATime } from "../studio/exclusive-playback.js";
import { initRecorders } from "../studio/recorder.js";
import { initTryouts } from "../studio/tryout.js";

initPartials();
initSwitches();
playOneAtATime();
initRecorders();
initTryouts();
