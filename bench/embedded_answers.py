"""How often the embedded model's quotes hold the answer.

    python -m bench.embedded_answers FOLDER [--questions N]

FOLDER holds ``corpus.jsonl``, ``queries.jsonl``, ``qrels.tsv`` and ``answers.jsonl``. Passages come
from SQLite's BM25 fused with the bundled embedder. A second run takes away the documents that hold
the answers, and counts how often the model then says that nothing fits.
"""

import argparse
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chat.providers.base import Excerpt, Message
from chat.providers.embedded import StaticEmbedder
from chat.providers.extractive import answer
from chat.providers.words import content_terms

SHOWN = 5  # passages


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=int, default=10_000)
    options = parser.parse_args()
    collection = Collection(options.folder)
    for name, without_gold in (("with the answer", False), ("without it", True)):
        print(f"{name}: {collection.run(options.questions, without_gold)}")


class Collection:
    def __init__(self, folder: Path):
        self.documents = {d["id"]: d for d in _lines(folder / "corpus.jsonl")}
        self.queries = {q["id"]: q["text"] for q in _lines(folder / "queries.jsonl")}
        self.answers = {a["id"]: a["answers"] for a in _lines(folder / "answers.jsonl")}
        rows = (folder / "qrels.tsv").read_text().splitlines()[1:]
        self.gold = {row.split("\t")[0]: row.split("\t")[1] for row in rows}
        self.embedder = StaticEmbedder()
        self.ids = list(self.documents)
        texts = [f"{d['title']}\n{d['text']}" for d in self.documents.values()]
        self.vectors = self.embedder.encode(texts)
        self.db = sqlite3.connect(":memory:")
        self.db.execute("create virtual table t using fts5(title, text, tokenize='porter')")
        pairs = [(d["title"], d["text"]) for d in self.documents.values()]
        self.db.executemany("insert into t values (?, ?)", pairs)

    def run(self, limit: int, without_gold: bool) -> str:
        hits = held = fitting = sentences = 0
        seconds = 0.0
        asked = list(self.queries.items())[:limit]
        for query_id, text in asked:
            title = self.documents[self.gold[query_id]]["title"] if without_gold else None
            excerpts = self.search(text, title)
            began = time.perf_counter()
            message = Message("user", text, question=text, excerpts=tuple(excerpts))
            said = answer([message], self.embedder)
            seconds += time.perf_counter() - began
            golds = [_plain(gold) for gold in self.answers[query_id]]
            hits += any(gold in _plain(said) for gold in golds)
            held += any(gold in _plain(e.text) for e in excerpts for gold in golds)
            fitting += not said.startswith("Nothing")
            sentences += len(said)
        count = len(asked)
        return (
            f"quotes hold it {hits / count:.3f}, passages {held / count:.3f}, "
            f"called an answer {fitting / count:.3f}, {sentences / count:.0f} characters, "
            f"{1000 * seconds / count:.1f} ms"
        )

    def search(self, text: str, without_title: str | None) -> list[Excerpt]:
        query = " OR ".join(f'"{term}"' for term in dict.fromkeys(content_terms(text)))
        rows = self.db.execute(
            "select rowid - 1, -bm25(t, 2.0, 1.0) from t where t match ? order by rank limit 50",
            (query,),
        ).fetchall()
        cosines = self.vectors @ self.embedder.encode([text])[0]
        top = max((score for _, score in rows), default=1.0)
        scores = {row: score / top + 0.9 * float(cosines[row]) for row, score in rows}
        for row in np.argsort(-cosines)[:50].tolist():
            scores.setdefault(row, 0.9 * float(cosines[row]))
        found = [self.documents[self.ids[row]] for row in sorted(scores, key=lambda r: -scores[r])]
        ranked = sorted(scores.values(), reverse=True)
        kept = [(d, s) for d, s in zip(found, ranked, strict=True) if d["title"] != without_title]
        return [
            Excerpt(number, document["title"], document["title"], document["text"], score)
            for number, (document, score) in enumerate(kept[:SHOWN], 1)
        ]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as file:
        yield from map(json.loads, file)


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower())


if __name__ == "__main__":
    main()
