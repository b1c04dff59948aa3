// Enter sends what is written in the field within, Shift+Enter breaks its line. Where a button stands
// beside it, it is as if that were pressed.
customElements.define("submit-on-enter", class extends HTMLElement {
  connectedCallback() {
    this.addEventListener("keydown", this.press);
  }

  press(event) {
    const { target: field, shiftKey, metaKey, ctrlKey } = event;
    if (event.key !== "Enter" || event.isComposing || !field.matches("textarea")) return;
    if (shiftKey && !metaKey && !ctrlKey) return;
    event.preventDefault();
    if (field.value.trim()) field.form.requestSubmit(this.querySelector("button[type=submit]"));
  }
});
