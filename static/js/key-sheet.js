// "?" shows which keys do what.
customElements.define("key-sheet", class extends HTMLElement {
  connectedCallback() {
    document.addEventListener("keydown", this.press = (event) => {
      const typing = event.target.closest("input, textarea, select");
      if (event.key !== "?" || typing) return;
      event.preventDefault();
      this.togglePopover();
    });
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.press);
  }
});
