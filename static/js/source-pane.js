// Citations: a card while they are pointed at, the source beside the answer when they are opened.
const LINK = "a.citation, a.source";
let shown = null;

function card() { // going back in history puts another in its place
  return document.getElementById("card");
}

function passageOf(link) {
  const turn = link.closest(".turn");
  return turn && document.getElementById(`${turn.id}-passage-${link.dataset.number}`);
}

function showCard(link, event) {
  if (event.type === "focusin" && !link.matches(":focus-visible")) return;
  const passage = passageOf(link);
  if (!passage || shown === link) return;
  shown = link;
  const box = card();
  box.replaceChildren(...[...passage.children].map((child) => child.cloneNode(true)));
  box.showPopover();
  const place = link.getClientRects()[0];
  const size = box.getBoundingClientRect();
  const above = place.top - size.height - 8;
  box.style.left = `${Math.max(16, Math.min(place.left, innerWidth - size.width - 16))}px`;
  box.style.top = `${above > 8 ? above : place.bottom + 8}px`;
}

function hideCard() {
  if (shown) card().hidePopover();
  shown = null;
}

for (const [name, action] of [["pointerover", showCard], ["focusin", showCard], ["pointerout", hideCard], ["focusout", hideCard]]) {
  document.addEventListener(name, (event) => {
    const { target, pointerType } = event;
    const link = target.closest?.(LINK);
    if (link && pointerType !== "touch") action(link, event);
  });
}
document.addEventListener("scroll", hideCard, { capture: true, passive: true });

customElements.define("source-pane", class extends HTMLElement {
  connectedCallback() {
    this.heard = new AbortController();
    const { signal } = this.heard;
    document.addEventListener("click", (event) => {
      const link = event.target.closest(LINK);
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
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
    }, { signal });
  }

  disconnectedCallback() {
    this.heard.abort();
  }

  async open(link, event) {
    hideCard();
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
    if (passage) body.scrollTop = passage.getBoundingClientRect().top - body.getBoundingClientRect().top - body.clientHeight / 4;
  }

  close() {
    this.replaceChildren();
    this.from?.removeAttribute("aria-current");
    this.from?.focus();
    hideCard();
    this.from = null;
  }
});
