// An answer to take along: as rich text, as Markdown with its sources, or in plain words.
customElements.define("copy-menu", class extends HTMLElement {
  connectedCallback() {
    this.heard = new AbortController();
    const { signal } = this.heard;
    this.addEventListener("click", ({ target }) => {
      const way = target.closest("[data-as]")?.dataset.as;
      if (way) this.copy(way);
    }, { signal });
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.menu.open) return;
      event.preventDefault();
      this.close();
    }, { signal });
    document.addEventListener("click", ({ target }) => {
      if (!this.contains(target)) this.menu.open = false;
    }, { signal });
  }

  disconnectedCallback() {
    this.heard.abort();
  }

  get menu() {
    return this.querySelector("details");
  }

  get answer() {
    return document.getElementById(this.dataset.answer);
  }

  // What is fetched goes in as a promise: a browser allows the clipboard only while it is asked.
  async copy(way) {
    const kinds = { "text/plain": this.answer.innerText };
    if (way === "rich") kinds["text/html"] = this.html();
    if (way === "markdown") kinds["text/plain"] = this.markdown();
    const item = Object.entries(kinds).map(([type, text]) => [
      type, Promise.resolve(text).then((words) => new Blob([words], { type })),
    ]);
    try {
      await navigator.clipboard.write([new ClipboardItem(Object.fromEntries(item))]);
    } catch {
      document.getElementById("toast").say(this.dataset.failed);
      return;
    }
    document.getElementById("status").textContent = this.dataset.done;
    this.toggleAttribute("data-copied", true);
    setTimeout(() => this.removeAttribute("data-copied"), 1200);
    this.close();
  }

  // Who is signed out is led elsewhere, and would copy that.
  async markdown() {
    const sent = await fetch(this.dataset.src);
    if (!sent.ok || sent.redirected) throw new Error(sent.statusText);
    return sent.text();
  }

  // Without what only this page can use, and with addresses that lead here from anywhere.
  html() {
    const answer = this.answer.cloneNode(true);
    for (const one of answer.querySelectorAll("figcaption")) one.remove();
    for (const link of answer.querySelectorAll("a[href]")) link.setAttribute("href", link.href);
    for (const one of answer.querySelectorAll("*")) {
      for (const name of ["id", "class", "tabindex", "data-number", "data-check"]) one.removeAttribute(name);
    }
    return answer.innerHTML;
  }

  close() {
    this.menu.open = false;
    this.menu.querySelector("summary").focus();
  }
});
