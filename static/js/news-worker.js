// One line to the server for all pages of a browser, which opens six to a host and no more.
const pages = new Set();
const KINDS = ["session", "rail", "index"];
const KEPT = 60_000; // milliseconds for which a word is kept for pages that are still being made
const MISSED = { kind: "missed" }; // what was said nobody knows
let line, whole = Infinity, words = []; // nothing said since ``whole`` is lacking in ``words``

function tell(word) {
  for (const page of pages) page.postMessage(word);
}

function keep(word) {
  const now = Date.now();
  words = words.filter(({ at }) => at > now - KEPT);
  words.push({ at: now, word });
}

function listen(url) {
  line = new EventSource(url);
  line.addEventListener("error", () => { whole = Infinity; });
  line.addEventListener("stream-open", () => {
    whole = Date.now();
    tell(MISSED);
  });
  for (const kind of KINDS) {
    line.addEventListener(kind, ({ data }) => {
      const word = { kind, ...JSON.parse(data) };
      keep(word);
      tell(word);
    });
  }
}

function catchUp(page, since) {
  if (since < Math.max(whole, Date.now() - KEPT)) page.postMessage(MISSED);
  else for (const { at, word } of words) if (at >= since) page.postMessage(word);
}

function join(page) {
  page.onmessage = ({ data: { url, since } }) => {
    if (!url) {
      pages.delete(page);
      return;
    }
    pages.add(page);
    if (!line || line.readyState === EventSource.CLOSED) listen(url);
    else if (line.readyState === EventSource.OPEN && whole < Infinity) catchUp(page, since);
  };
}

if ("onconnect" in self) self.onconnect = ({ ports: [page] }) => join(page);
else join(self); // where no worker can be shared, each page has its own
