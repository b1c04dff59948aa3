// Names what is chosen, filters the list, and holds it to the limit.
customElements.define("index-picker", class extends HTMLElement {
  connectedCallback() {
    this.choices = [...this.querySelectorAll("input[name=index]")];
    this.addEventListener("change", () => this.show());
    this.querySelector("input[type=search]")?.addEventListener("input", (event) => {
      event.stopPropagation();
      const words = event.target.value.toLowerCase();
      for (const choice of this.choices) {
        choice.parentElement.hidden = !choice.dataset.name.toLowerCase().includes(words);
      }
    });
    document.addEventListener("click", this.outside = (event) => {
      if (!this.contains(event.target)) this.details.open = false;
    });
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.details.open) return;
      event.preventDefault();
      this.details.open = false;
      this.querySelector("summary").focus();
    });
    this.show();
  }

  disconnectedCallback() {
    document.removeEventListener("click", this.outside);
  }

  get details() {
    return this.querySelector("details");
  }

  show() {
    const chosen = this.choices.filter((choice) => choice.checked);
    const names = chosen.map((choice) => {
      const name = document.createElement("span");
      name.textContent = choice.dataset.name;
      return name;
    });
    this.querySelector(".picker__chosen").replaceChildren(...(names.length ? names : [this.dataset.none]));
    const full = chosen.length >= Number(this.dataset.limit);
    const note = this.querySelector(".picker__full");
    note.textContent = full ? note.dataset.words : "";
    for (const choice of this.choices) choice.disabled = full && !choice.checked;
  }
});
