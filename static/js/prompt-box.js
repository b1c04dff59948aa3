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
    this.form.addEventListener("htmx:after:request", (event) => {
      if (event.target === this.form && event.detail.ctx.response.raw.ok && !this.standsIn) this.clear();
    });
    document.addEventListener("keydown", this.escape = (event) => {
      const above = document.querySelector("dialog:modal, .menu:popover-open, .keys:popover-open");
      if (event.key === "Escape" && !event.defaultPrevented && !above && this.running) this.stop();
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
    this.standsIn = submitter?.name === "prompt";
    body.set("prompt", this.standsIn ? submitter.value : this.box.value);
    document.getElementById("composer-error").textContent = "";
  }

  clear() {
    this.box.value = "";
    this.keep();
    this.box.focus();
  }

  stop() {
    document.getElementById("stop")?.requestSubmit();
  }
});
