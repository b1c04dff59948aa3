// A sentence at the edge of the page that goes by itself, unless someone is about to use it.
const STAY = 10_000; // milliseconds

customElements.define("toast-line", class extends HTMLElement {
  connectedCallback() {
    this.observer = new MutationObserver(() => this.stay());
    this.observer.observe(this, { childList: true });
    this.stay();
  }

  disconnectedCallback() {
    this.observer.disconnect();
    clearTimeout(this.timer);
  }

  stay() {
    clearTimeout(this.timer);
    if (!this.firstElementChild) return;
    document.getElementById("details")?.hidePopover();
    this.timer = setTimeout(() => {
      if (this.matches(":hover, :focus-within")) this.stay();
      else this.replaceChildren();
    }, STAY);
  }
});
