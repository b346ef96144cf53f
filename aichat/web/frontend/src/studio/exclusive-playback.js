// Of all players on a page one plays: takes that are compared must not talk over each other.
export function playOneAtATime() {
  document.addEventListener(
    "play",
    ({ target }) => {
      for (const other of document.querySelectorAll("audio")) if (other !== target) other.pause();
    },
    true, // play does not bubble
  );
}
