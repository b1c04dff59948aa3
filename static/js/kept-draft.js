// What is written in the field within stays through a reload until it is sent or given up: in this
// browser, and for whoever wrote it.
customElements.define("kept-draft", class extends HTMLElement {
  connectedCallback() {
    this.field = this.querySelector("textarea, input");
    const person = document.querySelector("news-line")?.dataset.person;
    this.key = `draft ${person} ${this.dataset.of}`;
    const kept = localStorage.getItem(this.key);
    if (kept !== null) this.field.value = kept;
    this.heard = new AbortController();
    const { signal } = this.heard;
    this.field.addEventListener("input", () => this.keep(), { signal });
    document.addEventListener("submit", ({ target }) => {
      if (target === this.field.form && !target.matches("[hx-post]")) this.forget();
    }, { signal });
    document.addEventListener("htmx:after:request", ({ target, detail: { ctx } }) => {
      if (target === this.field.form && ctx.response.status < 400) this.sent(ctx.request.body);
    }, { signal });
    document.addEventListener("click", ({ target }) => {
      if (target.closest("[data-give-up]")?.closest("form") === this.field.form) this.forget();
    }, { signal });
    document.addEventListener("toggle", ({ target, newState }) => { // a menu that is closed
      if (newState === "closed" && target.matches("[popover]") && target.contains(this)) this.forget();
    }, { signal, capture: true });
  }

  disconnectedCallback() {
    this.heard.abort();
  }

  keep() {
    if (this.field.value === this.field.defaultValue) this.forget();
    else localStorage.setItem(this.key, this.field.value);
  }

  // What was written since it was sent, or instead of it, stays.
  sent(body) {
    if (body.get(this.field.name) !== this.field.value) return;
    this.forget();
    this.dispatchEvent(new Event("draft-sent", { bubbles: true }));
  }

  forget() {
    localStorage.removeItem(this.key);
  }
});
