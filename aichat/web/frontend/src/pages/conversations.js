// The list of conversations, as a page of its own.
import { tendPanels } from "../panels.js";
import { tendSearch } from "../searching.js";
import { localTimes } from "../times.js";

localTimes(document);
tendPanels();
tendSearch();
