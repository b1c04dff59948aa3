// Light and dark at once; the server keeps it for the next page and the next device.
customElements.define("appearance-switch", class extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      event.preventDefault();
      const root = document.documentElement;
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      const form = this.closest("form");
      const body = new FormData(form);
      body.set("theme", root.dataset.theme);
      fetch(form.action, { method: "POST", body, redirect: "manual" });
    });
  }
});
