// Every page: the rail, toasts, dialogs, tabs, and htmx for what a page asks for with attributes.
import "./htmx.js";
import { tendDialogs } from "./shell/dialogs.js";
import { tendRail } from "./shell/rail.js";
import { tendTabs } from "./shell/tabs.js";
import { watchToasts } from "./shell/toasts.js";

tendRail();
watchToasts();
tendDialogs();
tendTabs();
