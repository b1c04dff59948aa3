// Files dropped here are chosen as if by the button, and sent.
customElements.define("drop-zone", class extends HTMLElement {
  connectedCallback() {
    const input = this.querySelector("input[type=file]");
    for (const event of ["dragover", "dragleave", "drop"]) {
      this.addEventListener(event, (dragged) => {
        dragged.preventDefault();
        this.toggleAttribute("data-over", dragged.type === "dragover");
      });
    }
    this.addEventListener("drop", ({ dataTransfer }) => {
      if (!dataTransfer.files.length) return;
      input.files = dataTransfer.files;
      this.closest("form").requestSubmit();
    });
  }
});
