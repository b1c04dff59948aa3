// A sentence at the edge of the page that goes by itself, unless someone is about to use it: what
// was done and can be undone, or what was asked for and went wrong.
const STAY = 10_000; // milliseconds

customElements.define("toast-line", class extends HTMLElement {
  connectedCallback() {
    this.observer = new MutationObserver(() => this.show());
    this.observer.observe(this, { childList: true });
    this.heard = new AbortController();
    const { signal } = this.heard;
    document.addEventListener("htmx:error", ({ detail }) => this.lose(detail), { signal });
    document.addEventListener("htmx:response:error", ({ detail }) => this.refuse(detail.ctx), { signal });
    this.show();
  }

  disconnectedCallback() {
    this.observer.disconnect();
    this.heard.abort();
    clearTimeout(this.timer);
  }

  show() {
    clearTimeout(this.timer);
    this.hidePopover();
    if (!this.firstElementChild) return;
    // What failed is sent again from where it is.
    if (!this.querySelector(".toast__failed")) document.getElementById("details")?.hidePopover();
    this.showPopover(); // above whatever is open
    this.stay();
  }

  stay() {
    this.timer = setTimeout(() => {
      if (this.matches(":hover, :focus-within")) this.stay();
      else this.replaceChildren();
    }, STAY);
  }

  // No answer came, or not the whole of it.
  lose({ ctx, error }) {
    if (!ctx || ctx.text !== undefined) return;
    const isReplaced = error.name === "AbortError" && ctx.queueStrategy === "replace";
    if (isReplaced) return; // by the next letter of a search
    if (isAsked(ctx)) this.say(this.dataset.lost);
    takeBack(ctx);
  }

  // An answer that is an error makes no history and, as htmx is told, takes no place in the page,
  // but for a sentence that comes with it. What the page asked by itself, it will ask again.
  refuse(ctx) {
    const says = isAsked(ctx) && ctx.text.includes("<hx-partial");
    ctx.hx.pushurl = "false";
    if (!isAsked(ctx)) ctx.hx.redirect = "";
    else if (!says && !ctx.hx.redirect) this.say(this.dataset.broken);
    if (!says) ctx.text = "";
    takeBack(ctx);
  }

  say(sentence) {
    const line = document.createElement("p");
    line.className = "toast__failed";
    line.textContent = sentence;
    this.replaceChildren(line);
  }
});

// By a person, and not by the page.
function isAsked(ctx) {
  return ctx.sourceEvent?.isTrusted;
}

// The page is again what the server knows: a choice that was not taken, an address left by "back".
function takeBack({ sourceElement, sourceEvent, request }) {
  if (sourceEvent?.type === "change") sourceElement.reset?.();
  if (request.headers["HX-History-Restore-Request"] && !request.signal.aborted) location.reload();
}
