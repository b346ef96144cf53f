// The pages where characters and voices are made: all of it works without this, page by page.
import { tendPartials, tendSwitches } from "../studio/partials.js";
import { oneAtATime } from "../studio/exclusive-playback.js";
import { tendRecorders } from "../studio/recorder.js";
import { tendTrials } from "../studio/tryout.js";

tendPartials();
tendSwitches();
oneAtATime();
tendRecorders();
tendTrials();
