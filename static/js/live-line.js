// Says when the line is lost and found again, and when an answer has come to its end.
const SOON = 500, SELDOM = 60_000; // milliseconds until a line is asked for again

customElements.define("live-line", class extends HTMLElement {
  connectedCallback() {
    const line = () => document.getElementById("line");
    const say = (words) => { document.getElementById("status").textContent = words; };
    this.addEventListener("htmx:before:sse:connection", ({ detail }) => {
      if (detail.connection.attempt > 1 && line()) line().hidden = false;
    });
    this.addEventListener("htmx:after:sse:connection", () => {
      if (line()) line().hidden = true;
    });
    // Where the extension's script comes late, htmx has looked through the page without it.
    this.timer = setTimeout(() => { if (!this._htmx) htmx.process(this); }, SOON);
    // The extension mends a line that it once had; the first one is asked for until it comes.
    let wait = SOON;
    const again = ({ detail }) => {
      if (!detail.ctx || detail.ctx.response?.status < 500) return;
      if (line()) line().hidden = false;
      this.timer = setTimeout(() => htmx.trigger(this, "again"), wait);
      wait = Math.min(2 * wait, SELDOM);
    };
    this.addEventListener("htmx:error", again);
    this.addEventListener("htmx:response:error", again);
    // Who was signed out, and in again elsewhere, is answered: then the line is open to them, too.
    document.addEventListener("htmx:after:request", this.taken = ({ detail: { ctx } }) => {
      const gone = document.getElementById("gone");
      if (!gone?.firstElementChild || ctx.request.method !== "POST" || ctx.response.status >= 400) return;
      gone.replaceChildren();
      htmx.trigger(this, "again");
    });
    this.addEventListener("htmx:after:sse:message", () => {
      const words = document.querySelector(".turn:last-of-type .trace__status")?.textContent ?? "";
      if (words !== document.getElementById("status").textContent) say(words);
    });
  }

  disconnectedCallback() {
    document.removeEventListener("htmx:after:request", this.taken);
    clearTimeout(this.timer);
  }
});
