// Hears what has changed and asks for it anew: at once, or when the page is looked at again.
const GATHER = 120; // milliseconds: what changes together is asked for together

customElements.define("news-line", class extends HTMLElement {
  connectedCallback() {
    this.rows = new Set();
    this.since = Date.now() - performance.now(); // what was said while the page was made is lacking
    const { worker, person } = this.dataset;
    if (window.SharedWorker) this.line = new SharedWorker(worker, person).port;
    else this.line = new Worker(worker);
    this.line.onmessage = ({ data }) => this.hear(data);
    this.join();
    this.heard = new AbortController();
    const { signal } = this.heard;
    addEventListener("pageshow", () => this.join(), { signal });
    addEventListener("pagehide", () => this.leave(), { signal });
    document.addEventListener("visibilitychange", () => this.soon(), { signal });
    document.addEventListener("htmx:before:swap", (event) => this.swap(event), { signal });
    document.addEventListener("rail-changed", () => this.hear({ kind: "rail" }), { signal });
  }

  // Going back in history puts another in its place: this one must not ask as well.
  disconnectedCallback() {
    this.heard.abort();
    clearTimeout(this.timer);
    this.leave();
    this.line.terminate?.(); // a worker of its own; a shared one cannot be ended from here
  }

  join() {
    this.line.postMessage({ url: new URL(this.dataset.live, location).href, since: this.since });
    this.since = Date.now();
  }

  leave() {
    this.line.postMessage({});
    this.since = Date.now();
  }

  hear({ kind, id, moved }) {
    if (kind === "index") document.body.dispatchEvent(new CustomEvent(`index-${id}`));
    if (kind === "missed") document.body.dispatchEvent(new CustomEvent("news-missed"));
    if (kind === "rail" || kind === "missed") this.all = true;
    if (kind === "session") {
      if (moved) this.raise(id);
      this.rows.add(id);
    }
    this.soon();
  }

  soon() {
    clearTimeout(this.timer);
    if (!document.hidden && !this.isAsking) this.timer = setTimeout(() => this.ask(), GATHER);
  }

  ask() {
    const list = document.getElementById("sessions");
    const rows = [...this.rows].filter((id) => document.getElementById(`row-${id}`));
    this.rows.clear();
    if (list.querySelector(".hit")) return; // search results are no list; leaving them reads it anew
    if (this.all) {
      this.asked = `${this.dataset.rail}?rows=${this.shown}`; // further down it is left as it is
      this.request(this.asked, "innerMorph");
    } else if (rows.length) {
      const asked = new URLSearchParams(rows.map((id) => ["id", id]));
      this.request(`${this.dataset.rows}?${asked}`, "none");
    }
    this.all = false;
  }

  // One at a time: htmx would keep one more waiting, and drop what comes after that.
  async request(action, swap) {
    this.isAsking = true;
    try {
      await htmx.ajax("GET", action, { target: "#sessions", swap });
    } finally {
      this.isAsking = false;
      if (this.isConnected && (this.all || this.rows.size)) this.soon();
    }
  }

  get shown() {
    return document.querySelectorAll("#sessions ul:not([data-fixed]) > .row").length;
  }

  // A list that has grown since it was asked for would lose what it has grown by.
  swap(event) {
    const action = event.detail.ctx.request?.action;
    if (action !== this.asked || this.shown <= Number(action.split("=")[1])) return;
    event.preventDefault();
    this.all = true;
    this.soon();
  }

  // To the top of today's; one that is not here yet gets a place to be filled.
  raise(id) {
    const today = document.getElementById("rail-today");
    let row = document.getElementById(`row-${id}`);
    if (!today || row?.closest("[data-fixed]") || (row && row === today.firstElementChild)) return;
    if (!row) {
      row = document.createElement("li");
      row.id = `row-${id}`;
    }
    today.prepend(row);
  }
});
