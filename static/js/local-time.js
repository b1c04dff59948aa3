// A moment in the reader's own zone and way of writing it.
customElements.define("local-time", class extends HTMLElement {
  connectedCallback() {
    const time = this.querySelector("time");
    const words = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    if (time) time.textContent = words.format(new Date(time.dateTime));
  }
});
