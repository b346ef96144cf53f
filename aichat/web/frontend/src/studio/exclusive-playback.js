// Only one player on a page plays at a time, so that takes can be compared.
export function playOneAtATime() {
  document.addEventListener(
    "play",
    ({ target }) => {
      for (const other of document.querySelectorAll("audio")) if (other !== target) other.pause();
    },
    true, // play does not bubble
  );
}
