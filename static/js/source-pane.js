// The source beside the answer, when a citation is opened.
const LINK = "a.citation, a.source, a.passage__place";

customElements.define("source-pane", class extends HTMLElement {
  connectedCallback() {
    this.heard = new AbortController();
    const { signal } = this.heard;
    document.addEventListener("click", (event) => {
      const link = event.target.closest(LINK);
      if (!link || isForBrowser(event)) return;
      event.preventDefault();
      this.open(link, event);
    }, { signal });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || !this.firstElementChild) return;
      if (document.querySelector("dialog:modal, :popover-open:not([popover=manual])")) return; // above the pane
      event.preventDefault();
      this.close();
    }, { signal, capture: true });
    document.addEventListener("htmx:after:swap", ({ detail }) => {
      if (detail.ctx.target === this) this.toPassage();
    }, { signal });
    this.addEventListener("click", (event) => {
      if (event.target.closest("[data-close]")) this.close();
      const box = event.target.closest(".leaf__marks a"); // htmx boosts no link of a picture
      if (!box || isForBrowser(event)) return;
      event.preventDefault();
      htmx.ajax("GET", box.getAttribute("href"), { target: this, swap: "innerHTML", event });
    }, { signal });
  }

  disconnectedCallback() {
    this.heard.abort();
  }

  async open(link, event) {
    document.getElementById("card")?.hide();
    const before = this.firstElementChild;
    await htmx.ajax("GET", link.href, { target: this, swap: "innerHTML", event });
    if (this.firstElementChild === before) return; // it did not come
    this.from?.removeAttribute("aria-current");
    this.from = link;
    link.setAttribute("aria-current", "true");
  }

  // However the pane was filled: from the answer, a tab, or another page of the document.
  toPassage() {
    const body = this.querySelector(".pane__body");
    const passage = this.querySelector("#passage");
    // Into what was opened, which also says its name; whoever leafs through it stays where they are.
    if (!this.contains(document.activeElement)) this.querySelector(".pane__title")?.focus();
    if (passage) body.scrollTop = passage.getBoundingClientRect().top - body.getBoundingClientRect().top - body.clientHeight / 4;
  }

  close() {
    this.replaceChildren();
    this.from?.removeAttribute("aria-current");
    this.from?.focus();
    document.getElementById("card")?.hide();
    this.from = null;
  }
});

function isForBrowser(event) { // a tab of its own is asked for
  return event.ctrlKey || event.metaKey || event.shiftKey || event.button;
}
