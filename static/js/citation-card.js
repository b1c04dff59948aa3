// A card with the passage while a citation is pointed at or has the focus. It may be pointed at
// itself, to read on in it; Escape puts it away.
const LINK = "a.citation, a.source, a.passage__place";
const PAUSE = 150; // milliseconds: to pass over a citation, or to reach the card

customElements.define("citation-card", class extends HTMLElement {
  link = null; // that it belongs to, from the asking on

  connectedCallback() {
    this.heard = new AbortController();
    const heed = { signal: this.heard.signal, capture: true };
    document.addEventListener("pointerover", ({ target, pointerType }) => {
      const stays = this.contains(target) || this.link?.matches(":focus-visible");
      if (pointerType !== "touch") this.turnTo(target.closest?.(LINK) ?? (stays ? this.link : null));
    }, heed);
    document.addEventListener("focusin", ({ target }) => {
      const stays = this.contains(target); // to be scrolled by keys
      this.turnTo(stays ? this.link : target.matches(":focus-visible") ? target.closest(LINK) : null);
    }, heed);
    for (const name of ["focusout", "pointerout"]) {
      document.addEventListener(name, ({ relatedTarget }) => relatedTarget || this.turnTo(null), heed);
    }
    document.addEventListener("scroll", ({ target }) => {
      if (target !== this) this.hide();
    }, { ...heed, passive: true });
    window.addEventListener("keydown", (event) => { // before all else that Escape puts away
      if (event.key !== "Escape" || event.isComposing || !this.matches(":popover-open")) return;
      event.preventDefault();
      this.hide();
    }, heed);
  }

  disconnectedCallback() {
    this.heard.abort();
    clearTimeout(this.timer);
  }

  turnTo(link) {
    clearTimeout(this.timer);
    if (link === this.link) return;
    this.timer = setTimeout(() => (link ? this.show(link) : this.leave()), PAUSE);
  }

  async show(link) {
    this.hide();
    this.link = link;
    const address = new URL(link.href);
    address.searchParams.set("view", "card");
    const answer = await fetch(address, { headers: { "HX-Request": "true" } }).catch(() => null);
    const html = answer?.ok && !answer.redirected ? await answer.text() : "";
    if (!html || this.link !== link || !link.isConnected) return;
    this.innerHTML = html;
    this.showPopover();
    this.scrollTop = 0;
    const place = link.getClientRects()[0];
    const size = this.getBoundingClientRect();
    const above = place.top - size.height - 8;
    this.style.left = `${Math.max(16, Math.min(place.left, innerWidth - size.width - 16))}px`;
    this.style.top = `${above > 8 ? above : place.bottom + 8}px`;
  }

  leave() {
    if (!this.matches(":hover")) this.hide(); // a click in it has taken the focus from its link
  }

  hide() {
    clearTimeout(this.timer);
    this.link = null;
    if (this.matches(":popover-open")) this.hidePopover();
  }
});
