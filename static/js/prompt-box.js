// Enter sends, Shift+Enter breaks the line; what is written survives a reload.
customElements.define("prompt-box", class extends HTMLElement {
  connectedCallback() {
    this.box = this.querySelector("textarea");
    this.form = this.closest("form");
    this.key = `draft ${this.dataset.draft}`;
    if (!this.box.value) this.box.value = localStorage.getItem(this.key) ?? "";
    this.box.addEventListener("input", () => this.keep());
    this.box.addEventListener("keydown", (event) => this.press(event));
    this.form.addEventListener("htmx:config:request", (event) => this.single(event));
    this.form.addEventListener("htmx:after:request", ({ target, detail: { ctx } }) => {
      if (target === this.form && ctx.hx.trigger === "prompt-accepted") this.forget(ctx.request.body.get("prompt"));
    });
    document.addEventListener("keydown", this.escape = (event) => {
      if (event.key === "Escape" && this.running && !this.isTaken(event)) this.stop();
    });
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.escape);
  }

  get running() {
    return document.querySelector('.turn[data-state="running"]') !== null;
  }

  keep() {
    if (this.box.value) localStorage.setItem(this.key, this.box.value);
    else localStorage.removeItem(this.key);
  }

  press(event) {
    if (event.key !== "Enter" || event.isComposing) return;
    const always = event.metaKey || event.ctrlKey;
    if (event.shiftKey && !always) return;
    event.preventDefault();
    if (this.box.value.trim()) this.form.requestSubmit();
  }

  // A suggestion is a button with a prompt of its own: it stands in for the box.
  single({ detail }) {
    const { body, submitter } = detail.ctx.request;
    body.set("prompt", submitter?.name === "prompt" ? submitter.value : this.box.value);
    document.getElementById("composer-error").textContent = "";
  }

  // What was written since it was sent, or instead of it, stays.
  forget(prompt) {
    if (this.box.value !== prompt) return;
    this.box.value = "";
    this.keep();
    this.box.focus();
  }

  // By whatever is nearer: a word being composed, another field, what lies above the page.
  isTaken({ defaultPrevented, isComposing, target }) {
    const field = target.closest("input, textarea, select");
    return defaultPrevented || isComposing || (field && field !== this.box)
      || document.querySelector("dialog:modal, :popover-open:not([popover=manual])");
  }

  stop() {
    document.getElementById("stop")?.requestSubmit();
  }
});
