// Files and folders, dropped here or chosen: sent a few at a time, each with a bar, a way to stop
// it and a way to try again. A folder's files keep their path as their name.
const AT_ONCE = 3;
const FINAL = [413, 422]; // what is wrong with the file itself: sending it again changes nothing
const STATES = ["waiting", "sending", "done", "failed", "cancelled"];

customElements.define("drop-zone", class extends HTMLElement {
  connectedCallback() {
    // By state, since a folder may hold thousands: nothing is counted by going through all of them.
    this.uploads = Object.fromEntries(STATES.map((state) => [state, new Set()]));
    for (const input of this.querySelectorAll("input[type=file]")) {
      input.addEventListener("change", () => {
        this.add([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
        input.value = "";
      });
    }
    for (const event of ["dragover", "dragleave", "drop"]) {
      this.addEventListener(event, (dragged) => {
        dragged.preventDefault();
        this.toggleAttribute("data-over", dragged.type === "dragover");
      });
    }
    this.addEventListener("drop", ({ dataTransfer }) => this.drop(dataTransfer));
    addEventListener("beforeunload", (event) => this.unsent && event.preventDefault());
  }

  get unsent() {
    return this.uploads.waiting.size + this.uploads.sending.size;
  }

  // Entries are gone once the event is over: all are taken before the first is waited for.
  async drop(dataTransfer) {
    const taken = [...dataTransfer.items].filter(({ kind }) => kind === "file")
      .map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
    for (const one of taken) {
      if (one instanceof File) this.add([{ file: one, path: one.name }]);
      else for await (const found of filesIn(one)) this.add([found]);
    }
  }

  add(found) {
    for (const { file, path } of found) {
      if (path.split("/").some((part) => part.startsWith("."))) continue; // .DS_Store, .git/…
      const row = this.querySelector("template").content.firstElementChild.cloneNode(true);
      const upload = { file, path, row };
      row.querySelector(".upload__name").textContent = path;
      row.querySelector("progress").setAttribute("aria-label", path);
      row.querySelector("[data-cancel]").addEventListener("click", () => this.cancel(upload));
      row.querySelector("[data-again]").addEventListener("click", () => this.enqueue(upload));
      this.querySelector(".uploads").append(row);
      this.enqueue(upload);
    }
  }

  enqueue(upload) {
    if (!upload.file) this.say(upload, "failed", this.dataset.unreadable);
    else if (upload.file.size > Number(this.dataset.limit)) this.say(upload, "failed", this.dataset.large, true);
    else this.say(upload, "waiting");
    this.next();
  }

  next() {
    for (const upload of this.uploads.waiting) {
      if (this.uploads.sending.size === AT_ONCE) return;
      this.send(upload);
    }
  }

  send(upload) {
    const body = new FormData(this.closest("form"));
    body.set("path", upload.path);
    body.set("files", upload.file);
    const request = upload.request = new XMLHttpRequest();
    const bar = upload.row.querySelector("progress");
    request.upload.addEventListener("progress", ({ loaded, total }) => { bar.value = loaded / total; });
    request.addEventListener("load", () => {
      const plain = request.getResponseHeader("Content-Type")?.startsWith("text/plain");
      if (request.status === 201) this.end(upload, "done");
      else if (request.status === 401) this.end(upload, "failed", this.dataset.out);
      else {
        const words = plain ? request.responseText : this.dataset.refused;
        this.end(upload, "failed", words, FINAL.includes(request.status));
      }
    });
    request.addEventListener("error", () => this.lose(upload));
    request.addEventListener("abort", () => this.end(upload, "cancelled"));
    this.say(upload, "sending");
    request.open("POST", this.closest("form").action);
    request.setRequestHeader("HX-Request", "true"); // who is signed out is told so, not led away
    request.send(body);
  }

  // A lost line and a file that has changed or gone since it was chosen look alike from here.
  async lose(upload) {
    const readable = await upload.file.slice(0, 1).arrayBuffer().then(() => true, () => false);
    this.end(upload, "failed", readable ? this.dataset.lost : this.dataset.unreadable);
  }

  cancel(upload) {
    if (upload.state === "sending") upload.request.abort();
    else this.say(upload, "cancelled");
  }

  end(upload, state, words, isFinal) {
    this.say(upload, state, words, isFinal);
    this.next();
    const isFirst = this.uploads.done.size === 1;
    if (state === "done" && (isFirst || !this.unsent)) this.showState();
  }

  say(upload, state, words = this.dataset[state], isFinal = false) {
    this.uploads[upload.state]?.delete(upload);
    this.uploads[state].add(upload);
    upload.state = upload.row.dataset.state = state;
    upload.row.toggleAttribute("data-final", isFinal);
    upload.row.querySelector(".upload__state").textContent = words;
    upload.row.querySelector("progress").value = state === "done" ? 1 : 0;
    const all = STATES.reduce((sum, one) => sum + this.uploads[one].size, 0);
    this.querySelector(".drop__tally").textContent = this.dataset.tally
      .replace("{done}", this.uploads.done.size).replace("{all}", all);
  }

  // From then on the state follows the sync by itself.
  showState() {
    htmx.ajax("GET", location.href, { target: "#state", swap: "outerMorph" });
  }
});

async function* filesIn(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    yield await new Promise((found) => entry.file((file) => found({ file, path }), () => found({ path })));
    return;
  }
  const reader = entry.createReader();
  for (;;) { // it gives a hundred at a time, and none at the end
    const some = await new Promise((found) => reader.readEntries(found, () => found([])));
    if (!some.length) return;
    for (const one of some) yield* filesIn(one);
  }
}
