// Pressed twice, done once: a form that is on its way is not sent again before it is answered.
const LONG = 5_000; // milliseconds until one that leaves the page where it is, as a download, is free

let sent = new WeakSet();

document.addEventListener("submit", (event) => {
  if (!sent.has(event.target)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, { capture: true });

// The browser sends what no script has taken over; of what htmx sends, both ends are told.
addEventListener("submit", ({ target, defaultPrevented }) => {
  if (defaultPrevented || target.method !== "post") return;
  sent.add(target);
  setTimeout(() => sent.delete(target), LONG);
});
document.addEventListener("htmx:before:request", ({ target, detail }) => {
  if (detail.ctx.request.method === "POST") sent.add(target);
});
document.addEventListener("htmx:finally:request", ({ target }) => sent.delete(target));
addEventListener("pageshow", () => { sent = new WeakSet(); });
