// Injected by the tests before the page's own scripts: remembers what the page is told and shows.
//
//   window.__witness
//     .events      what the socket's worker tells the page: its fields, and `at` (performance.now())
//     .speakers    names in the order in which they are shown as speaking
//     .worker      the socket's worker itself; __tell gives the page events as if they came from it
//     .gestures    {type, at} of each key and pointer press
//     .violations  what the Content-Security-Policy refused
//   window.__told(type, words)   resolves when the page was told of this type, with these words in it
//   window.__quiet(ms)   resolves when the microphone was loud and then has been quiet for so long
(() => {
  const witness = { events: [], speakers: [], gestures: [], violations: [] };
  window.__witness = witness;

  const Plain = window.Worker;
  window.Worker = class extends Plain {
    constructor(...how) {
      super(...how);
      witness.worker = this;
      this.addEventListener("message", ({ data }) => witness.events.push({ ...data, at: performance.now() }));
    }
  };

  for (const type of ["pointerdown", "keydown"]) {
    const note = () => witness.gestures.push({ type, at: performance.now() });
    addEventListener(type, note, { capture: true, passive: true });
  }
  addEventListener("securitypolicyviolation", (event) =>
    witness.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`),
  );

  function notice() {
    const name = document.querySelector(".cast-member.is-speaking button")?.dataset.mention;
    if (name && witness.speakers.at(-1) !== name) witness.speakers.push(name);
  }

  const changes = { subtree: true, childList: true, attributeFilter: ["class"] };
  new MutationObserver(notice).observe(document, changes);

  window.__told = (type, words) =>
    new Promise((resolve) => {
      const look = () => {
        const found = witness.events.some((event) => event.type === type && JSON.stringify(event).includes(words));
        if (found) resolve();
        else setTimeout(look, 20);
      };
      look();
    });

  window.__tell = (data) => witness.worker.dispatchEvent(new MessageEvent("message", { data }));

  window.__quiet = (ms) =>
    new Promise((resolve) => {
      const talk = document.getElementById("talk");
      let timer = 0;
      const watch = new MutationObserver(() => {
        if (Number(talk.style.getPropertyValue("--level")) > 0.05) {
          clearTimeout(timer);
          timer = setTimeout(() => (watch.disconnect(), resolve()), ms);
        }
      });
      watch.observe(talk, { attributeFilter: ["style"] });
    });
})();
