// Pictures from this device, chosen, pasted or dropped: each is uploaded while the user says what it shows.
import { toast } from "./shell/toasts.js";

const ADDRESS = "/api/images";

export class Pictures {
  #waiting = [];
  #now = null; // {file, address, isWanted}: the one that is asked about

  constructor(editor) {
    this.editor = editor;
    this.panel = document.getElementById("composer-picture");
    [this.preview, this.words] = this.panel.querySelectorAll("img, input");
    const file = document.getElementById("composer-file");
    document.querySelector("#composer-toolbar [data-upload]").addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      this.take(file.files);
      file.value = ""; // the same may be chosen again
    });
    this.panel.addEventListener("keydown", (event) => this.#key(event));
    this.panel.addEventListener("click", ({ target }) => {
      if (target.closest("[data-apply]")) this.#wanted();
      if (target.closest("[data-cancel]")) this.#over();
    });
  }

  /** Returns whether a paste was one of pictures; copied text may bring a picture of itself along. */
  pasted({ clipboardData: data }) {
    const pictures = [...data.files].filter(isPicture);
    if (!pictures.length || data.getData("text/plain")) return false;
    this.take(pictures);
    return true;
  }

  /** Files that are dropped never take the page away; pictures go where they were let go. */
  dropped(view, event, isMoved) {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (isMoved || !files.length) return false;
    event.preventDefault();
    const place = view.posAtCoords({ left: event.clientX, top: event.clientY });
    if (place) this.editor.commands.setTextSelection(place.pos);
    this.take(files);
    return true;
  }

  take(files) {
    const pictures = [...files].filter(isPicture);
    if (pictures.length < files.length) toast("Only pictures can be added here: PNG, JPEG or WebP.");
    this.#waiting.push(...pictures);
    if (!this.#now) this.#next();
  }

  #next() {
    const file = this.#waiting.shift();
    this.#now = file ? { file, address: null, isWanted: false } : null;
    this.panel.hidden = this.preview.hidden = true;
    if (!file) return this.editor.view.focus();
    this.words.value = "";
    this.words.placeholder = `What it shows (${nameOf(file)})`;
    this.panel.hidden = false;
    this.words.focus();
    return this.#upload(this.#now);
  }

  async #upload(one) {
    const { name } = one.file;
    const notice = toast(`Uploading ${name}…`, "busy");
    const showProgress = (percent) => (notice.querySelector(".toast-text").textContent = `Uploading ${name}: ${percent} %`);
    try {
      one.address = await sent(one.file, showProgress);
    } catch (error) {
      toast(`${name}: ${error.message}`);
      if (this.#now === one) this.#next();
      return;
    } finally {
      notice.remove();
    }
    if (this.#now !== one) return; // it was cancelled meanwhile
    if (one.isWanted) return this.#insert();
    this.preview.src = one.address;
    this.preview.hidden = false;
  }

  /** Puts it in, as soon as it is there. */
  #wanted() {
    this.#now.isWanted = true;
    if (this.#now.address) this.#insert();
  }

  #insert() {
    const { address, file } = this.#now;
    this.editor.view.focus();
    this.editor.commands.setImage({ src: address, alt: this.words.value.trim() || nameOf(file) });
    this.#next();
  }

  #over() {
    this.#next();
  }

  #key(event) {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    if (event.target.closest("button") && event.key === "Enter") return; // the button's own
    event.preventDefault(); // nothing is sent, nobody stopped
    if (event.key === "Enter") this.#wanted();
    else this.#over();
  }
}

const isPicture = ({ type }) => type.startsWith("image/");

/** What a picture may be called that nobody has named: its file without the ending. */
function nameOf({ name }) {
  const words = name.replace(/\.\w+$/, "").replace(/[-_\s]+/g, " ").trim();
  return !words || words === "image" ? "Picture" : words; // what is pasted is always called so
}

/** Sends a file; resolves with the picture's address, or rejects with words for the user. */
function sent(file, onPercent) {
  const form = new FormData();
  form.append("file", file);
  form.append("use", "message");
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest(); // fetch reports no progress of uploads
    request.open("POST", ADDRESS);
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => onPercent(Math.round((100 * loaded) / total)));
    request.addEventListener("load", () => {
      if (request.status === 201) done(request.response.image_url);
      else failed(new Error(request.response?.detail ?? "The server did not accept it. Try a smaller picture."));
    });
    request.addEventListener("error", () => failed(new Error("The server cannot be reached. Try again.")));
    request.send(form);
  });
}
