// Copies the code it stands over, or an address.
customElements.define("copy-button", class extends HTMLElement {
  connectedCallback() {
    if (this.button) return;
    const label = this.dataset.label ?? "";
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = label ? "button" : "button button--quiet";
    this.button.append(this.icon("copy"), label);
    const words = document.documentElement.dataset.copy ?? "Copy";
    this.button.title = label || words;
    if (!label) this.button.setAttribute("aria-label", words);
    this.button.addEventListener("click", () => this.copy());
    this.replaceChildren(this.button);
  }

  icon(name) {
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    drawing.setAttribute("class", "icon");
    drawing.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    const sprite = document.querySelector("svg.icon use").getAttribute("href").split("#")[0];
    use.setAttribute("href", `${sprite}#${name}`);
    drawing.append(use);
    return drawing;
  }

  async copy() {
    const { url, text } = this.dataset;
    await navigator.clipboard.writeText(url ? new URL(url, location).href : text ?? this.code);
    this.button.firstChild.replaceWith(this.icon("check"));
    setTimeout(() => this.button.firstChild.replaceWith(this.icon("copy")), 1200);
  }

  get code() {
    return this.closest("figure").querySelector("code").textContent;
  }
});
