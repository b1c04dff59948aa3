// Where questions are put: what was sent makes room for the next one; Escape stops the answer.
customElements.define("prompt-box", class extends HTMLElement {
  connectedCallback() {
    this.box = this.querySelector("textarea");
    this.form = this.closest("form");
    this.form.addEventListener("htmx:config:request", (event) => this.single(event));
    this.heard = new AbortController();
    const { signal } = this.heard;
    document.addEventListener("draft-sent", ({ detail }) => this.sent(detail), { signal });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.running && !this.isTaken(event)) this.stop();
    }, { signal });
  }

  disconnectedCallback() {
    this.heard.abort();
  }

  // From here, or where a question was put in other words: on to the next one.
  sent(draft) {
    if (this.contains(draft)) this.box.value = "";
    if (draft.field.name === "prompt") this.box.focus();
  }

  get running() {
    return document.querySelector('.turn[data-state="running"]') !== null;
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
