// Says when the line is lost and found again, and when an answer has come to its end.
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
    this.addEventListener("htmx:after:sse:message", () => {
      const last = [...document.querySelectorAll(".turn")].at(-1);
      const words = last?.querySelector(".trace__status")?.textContent ?? "";
      if (words !== document.getElementById("status").textContent) say(words);
    });
  }
});
