// The list of conversations, as a page of its own.
import { initPanels } from "../panel-dialogs.js";
import { initSearch } from "../conversation-search.js";
import { localTimes } from "../local-times.js";

localTimes(document);
initPanels();
initSearch();
