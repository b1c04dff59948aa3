// One line to the server for all pages of a browser, which opens six to a host and no more.
const pages = new Set();
const KINDS = ["session", "rail", "index"];
let line;

function tell(word) {
  for (const page of pages) page.postMessage(word);
}

function listen(url) {
  line = new EventSource(url);
  let lost = false;
  line.addEventListener("error", () => { lost = true; });
  line.addEventListener("stream-open", () => {
    tell({ kind: lost ? "rail" : "open" }); // what happened meanwhile was told to nobody
    lost = false;
  });
  for (const kind of KINDS) {
    line.addEventListener(kind, ({ data }) => tell({ kind, ...JSON.parse(data) }));
  }
}

function join(page) {
  page.onmessage = ({ data: { url } }) => {
    if (!url) {
      pages.delete(page);
      return;
    }
    pages.add(page);
    if (!line || line.readyState === EventSource.CLOSED) listen(url);
  };
}

if ("onconnect" in self) self.onconnect = ({ ports: [page] }) => join(page);
else join(self); // where no worker can be shared, each page has its own
