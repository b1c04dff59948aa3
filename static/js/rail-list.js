// The rail: which session is open, the keys of the search, and what its buttons open.
customElements.define("rail-list", class extends HTMLElement {
  connectedCallback() {
    this.mark();
    this.heard = new AbortController();
    const { signal } = this.heard;
    document.addEventListener("htmx:after:swap", (event) => this.swapped(event), { signal });
    document.addEventListener("keydown", (event) => this.press(event), { signal });
    document.addEventListener("rail-changed", () => document.getElementById("details").hidePopover(), { signal });
    document.addEventListener("click", (event) => {
      this.button = event.target.closest('[hx-target="#details"]') ?? this.button;
    }, { signal, capture: true });
  }

  disconnectedCallback() {
    this.heard.abort();
  }

  swapped({ detail }) {
    if (detail.ctx.sourceElement?.localName === "live-line") return; // many times a second
    this.mark();
    const { target, swap } = detail.ctx;
    if (swap === "none") return; // nothing has come, or not there
    if (target?.id === "details" && this.button) this.openMenu(target);
    if (target?.id === "sheet" && !target.open) target.showModal();
    if (target?.id === "main" && this.matches(":popover-open")) this.hidePopover();
    if (target?.id === "main") document.getElementById("pane")?.replaceChildren();
  }

  mark() {
    for (const link of this.querySelectorAll("a[href]")) {
      if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  press(event) {
    this.walk(event);
    const search = this.querySelector("input[type=search]");
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    const slash = event.key === "/" && !typing && !event.ctrlKey && !event.metaKey;
    if (!slash && !(event.key === "k" && (event.ctrlKey || event.metaKey))) return;
    event.preventDefault();
    if (search.offsetParent === null) this.showPopover();
    search.focus();
    search.select();
  }

  // From the box to what was found and along it; Enter opens, as it opens any link.
  walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const stops = [this.querySelector("input[type=search]"), ...document.querySelectorAll(".hit a")];
    const from = stops.indexOf(event.target);
    const to = from < 0 || !step ? null : stops[from + step];
    if (!to || event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
    event.preventDefault();
    to.focus();
  }

  openMenu(menu) {
    menu.showPopover();
    const place = this.button.getBoundingClientRect();
    const size = menu.getBoundingClientRect();
    menu.style.setProperty("--beside", `${place.left}px`);
    menu.style.top = `${Math.max(16, Math.min(place.bottom + 4, innerHeight - size.height - 16))}px`;
    menu.querySelector("input:not([type=hidden])")?.focus();
  }
});
