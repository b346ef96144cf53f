// Shows the server's UTC times in the time zone of the browser.
const HOUR = { hour: "2-digit", minute: "2-digit" };
const DAY = { day: "numeric", month: "short" };

function words(element) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) return element.textContent;
  const today = moment.toDateString() === new Date().toDateString();
  return moment.toLocaleString([], today ? HOUR : element.dataset.time === "day" ? DAY : { ...DAY, ...HOUR });
}

export function localTimes(root) {
  for (const element of root.querySelectorAll("time[data-time]")) {
    element.textContent = words(element);
    element.removeAttribute("data-time");
  }
}
