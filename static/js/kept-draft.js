// What is written in the field within stays through a reload until it is sent or given up: in this
// browser, and for whoever wrote it.
customElements.define("kept-draft", class extends HTMLElement {
  connectedCallback() {
    this.field = this.querySelector("textarea, input");
    const person = document.querySelector("news-line")?.dataset.person;
    this.key = `draft ${person} ${this.dataset.of}`;
    const kept = localStorage.getItem(this.key);
    if (kept !== null) this.field.value = kept;
    this.addEventListener("input", this.keep);
  }

  keep() {
    if (this.field.value === this.field.defaultValue) this.forget();
    else localStorage.setItem(this.key, this.field.value);
  }

  // What was written since it was sent, or instead of it, stays.
  sent(body) {
    if (body.get(this.field.name) !== this.field.value) return;
    this.forget();
    document.dispatchEvent(new CustomEvent("draft-sent", { detail: this }));
  }

  forget() {
    localStorage.removeItem(this.key);
  }
});

// Not the element's own to hear: what was sent may have taken its place by the time it is accepted.
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  if (ctx.response.status >= 400) return;
  for (const draft of draftsOf(ctx.sourceElement, ctx.request.submitter)) draft.sent(ctx.request.body);
});
document.addEventListener("submit", ({ target, submitter }) => {
  if (!target.matches("[hx-post]")) for (const draft of draftsOf(target, submitter)) draft.forget();
});
document.addEventListener("click", ({ target }) => {
  const form = target.closest("[data-give-up]")?.closest("form");
  for (const draft of draftsOf(form)) draft.forget();
});
document.addEventListener("toggle", ({ target, newState }) => { // of a menu: it does not bubble
  if (newState !== "closed" || !target.matches("[popover]")) return;
  for (const draft of target.querySelectorAll("kept-draft")) draft.forget();
}, { capture: true });

// A form may hold several: a button that stands within one of them is that one's own.
function draftsOf(form, button) {
  const own = button?.closest("kept-draft");
  if (own) return [own];
  return [...(form?.elements ?? [])].map((field) => field.closest("kept-draft")).filter(Boolean);
}
