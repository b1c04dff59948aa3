// A moment in the reader's own zone, or the one they chose, and their way of writing it.
customElements.define("local-time", class extends HTMLElement {
  connectedCallback() {
    const time = this.querySelector("time");
    const { lang, dataset: { zone: timeZone } } = document.documentElement; // and of its kinds the reader's: en-GB
    const words = new Intl.DateTimeFormat(navigator.languages.find((one) => one.startsWith(lang)) ?? lang, { dateStyle: "medium", timeStyle: "short", timeZone });
    if (time) time.textContent = words.format(new Date(time.dateTime));
  }
});
