"""How often the embedded model's quotes hold the answer, and how often it claims one it lacks.

    python -m bench.embedded_answers [FOLDER ...] [--questions N]

A folder needs an ``answers.jsonl``. Passages come from search as in a turn. Each question is asked
twice: as it is, and without all documents that share the title of the one that answers it.
"""

import argparse
import asyncio
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .corpora import carrel, folders, judgements, load, questions, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--questions", type=int, default=10_000)
    options = parser.parse_args()
    chosen = options.folders or [one for one in folders() if (one / "answers.jsonl").exists()]
    for folder in chosen:
        with carrel():
            index = load(folder)
            asked = questions(folder)[: options.questions]
            print(f"{folder.name}: {len(asked)} questions", flush=True)
            for name, without in (("with the answer", False), ("without it", True)):
                print(f"  {name:16} {asyncio.run(run(folder, index.pk, asked, without))}")


async def run(folder: Path, index_id: str, asked: Sequence[Any], without: bool) -> str:
    from chat.providers.base import Message
    from chat.providers.embedded import StaticEmbedder
    from chat.providers.extractive import answer

    answers = {
        one["id"]: list(map(plain, one["answers"])) for one in rows(folder / "answers.jsonl")
    }
    titles = {one["id"]: one["title"] for one in rows(folder / "corpus.jsonl")}
    judged, embedder = judgements(folder), StaticEmbedder()
    held, claimed, found, length = [], [], [], []
    for one in asked:
        title = titles[min(judged[one["id"]])]
        excerpts = await passages(index_id, one["text"], title if without else None)
        message = Message("user", one["text"], question=one["text"], excerpts=tuple(excerpts))
        said = answer([message], embedder)
        golds = answers[one["id"]]
        held.append(any(gold in plain(said) for gold in golds))
        found.append(any(gold in plain(e.text) for e in excerpts for gold in golds))
        claimed.append(not said.startswith("Nothing"))
        length.append(len(said))
    return (
        f"quotes hold it {statistics.mean(held):.3f}, passages {statistics.mean(found):.3f}, "
        f"called an answer {statistics.mean(claimed):.3f}, {statistics.mean(length):.0f} characters"
    )


async def passages(index_id: str, text: str, without_title: str | None) -> list[Any]:
    """Excerpts as a turn would show them."""
    from chat.providers.base import Excerpt
    from chat.retrieval.base import Condition, Query
    from chat.retrieval.search import search

    conditions = (Condition("title", "ne", without_title),) if without_title is not None else ()
    found = await search(Query(text, (index_id,), conditions=conditions))
    return [
        Excerpt(number, one.file_name, one.heading, one.text, one.rerank_score or 0.0)
        for number, one in enumerate(found, 1)
    ]


def plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower())


if __name__ == "__main__":
    main()
