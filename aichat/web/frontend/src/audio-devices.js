// The chosen microphone, loudspeaker and sensitivity, stored in this browser.

const KEYS = { microphone: "aichat.input", loudspeaker: "aichat.output", sensitivity: "aichat.sensitivity" };
const SENSITIVITIES = ["low", "normal", "high"];
const WANTED = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** What was chosen: the id of a device or "", or for the sensitivity a word. */
export function chosen(what) {
  const kept = localStorage.getItem(KEYS[what]) ?? "";
  if (what !== "sensitivity") return kept;
  return SENSITIVITIES.includes(kept) ? kept : "normal";
}

export function choose(what, value) {
  if (value) localStorage.setItem(KEYS[what], value);
  else localStorage.removeItem(KEYS[what]);
}

/** Calls back when another tab has chosen, so that nothing has to be loaded anew. */
export function whenChosen(what, act) {
  addEventListener("storage", ({ key }) => (key === KEYS[what] || key === null) && act());
}

/** Opens the chosen microphone, or the system's own where that is not plugged in. Throws what getUserMedia throws. */
export function openMicrophone() {
  const id = chosen("microphone");
  const audio = id ? { ...WANTED, deviceId: { ideal: id } } : WANTED;
  return navigator.mediaDevices.getUserMedia({ audio });
}

/** Lets a context sound from the chosen loudspeaker; false where it is gone, or the browser cannot. */
export async function useLoudspeaker(context) {
  const id = chosen("loudspeaker");
  if (!id && !context.sinkId) return true; // it sounds from there already
  try {
    await context.setSinkId(id);
    return true;
  } catch {
    return false; // not plugged in, or a browser that lets the system choose: that one sounds then
  }
}
