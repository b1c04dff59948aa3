// Enter sends, Shift+Enter breaks the line; what was sent makes room for the next question.
customElements.define("prompt-box", class extends HTMLElement {
  connectedCallback() {
    this.box = this.querySelector("textarea");
    this.form = this.closest("form");
    this.box.addEventListener("keydown", (event) => this.press(event));
    this.form.addEventListener("htmx:config:request", (event) => this.single(event));
    this.addEventListener("draft-sent", () => {
      this.box.value = "";
      this.box.focus();
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
