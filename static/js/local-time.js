// A moment in the reader's own zone and way of writing it.
customElements.define("local-time", class extends HTMLElement {
  connectedCallback() {
    const time = this.querySelector("time");
    const { lang } = document.documentElement; // and of its kinds the reader's: en-GB
    const words = new Intl.DateTimeFormat(navigator.languages.find((one) => one.startsWith(lang)) ?? lang, { dateStyle: "medium", timeStyle: "short" });
    if (time) time.textContent = words.format(new Date(time.dateTime));
  }
});
