// Keeps the end in view while the reader is at the end; else offers a way down.
const NEAR = 48; // pixels from the end that still count as being there

customElements.define("auto-scroll", class extends HTMLElement {
  connectedCallback() {
    this.following = true;
    this.addEventListener("scroll", () => this.look(), { passive: true });
    this.observer = new ResizeObserver(() => this.follow());
    const turns = this.querySelector(".turns");
    if (!turns) return;
    // Not only turns take room: a longer question, one that waits, a keyboard on the screen.
    for (const part of [this, turns, ...this.querySelectorAll(".queue, .dock")]) this.observer.observe(part);
    // Who opens something at the end wants to read it from its beginning.
    turns.addEventListener("click", ({ target }) => {
      if (target.closest("summary")) this.following = false;
    });
    this.down = document.createElement("button");
    this.down.type = "button";
    this.down.className = "button auto-scroll__down";
    this.down.textContent = this.dataset.label;
    this.down.hidden = true;
    this.down.addEventListener("click", () => this.toEnd());
    this.querySelector(".dock")?.prepend(this.down);
    this.toEnd();
    this.goBackTo();
    addEventListener("hashchange", this.gone = () => this.goBackTo());
    document.addEventListener("htmx:before:request", this.asked = (event) => {
      if (event.target.id === "composer") this.following = true;
    });
  }

  // To the turn that a link names. The server knows of those that are not shown.
  goBackTo() {
    const id = location.hash.slice(1);
    const target = id && document.getElementById(id);
    const missing = id.startsWith("turn-") && !target && `?turn=${id.slice("turn-".length)}`;
    if (missing && missing !== location.search) location.replace(`${missing}#${id}`);
    // Known only to those whose address it is: a reload shows what is read then.
    if (target && document.querySelector("live-line")) history.replaceState(history.state, "", `${location.pathname}#${id}`);
    if (target) {
      this.following = false;
      target.scrollIntoView();
    }
    this.look();
  }

  disconnectedCallback() {
    this.observer.disconnect();
    removeEventListener("hashchange", this.gone);
    document.removeEventListener("htmx:before:request", this.asked);
  }

  // Only who goes up has left the end: it may move away from one who stays, too.
  look() {
    const { scrollTop, scrollHeight, clientHeight } = this;
    const stays = this.following && scrollTop >= this.top;
    this.following = stays || scrollHeight - scrollTop - clientHeight < NEAR;
    this.top = scrollTop;
    if (this.following && this.down) this.down.hidden = true;
  }

  follow() {
    if (this.following) this.toEnd();
    else if (this.down) this.down.hidden = !this.querySelector('.turn[data-state="running"]');
  }

  toEnd() {
    this.scrollTop = this.scrollHeight;
    this.following = true;
    if (this.down) this.down.hidden = true;
  }
});
