// The list of conversations, as a page of its own.
import { tendPanels } from "../panel-dialogs.js";
import { tendSearch } from "../conversation-search.js";
import { localTimes } from "../local-times.js";

localTimes(document);
tendPanels();
tendSearch();
