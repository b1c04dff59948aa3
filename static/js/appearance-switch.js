// Light and dark at once; the cookie tells the server for the next page.
customElements.define("appearance-switch", class extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      event.preventDefault();
      const root = document.documentElement;
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
    });
  }
});
