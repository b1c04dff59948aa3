"""Whether a question in mid-conversation is searched for as it was meant.

    python -m bench.follow_ups [FOLDER ...]

Each question of a collection with titles is asked after another one: after one about something
else, when it must not lean on that; and after one about the same thing, with the words of the title
left out, when it must. Counted are the questions whose first passage is a right one, when they are
searched as they are, always with the words of the one before, and as a turn does it: those alone of
which the words do not tell (two words that say something), then all.
"""

import argparse
import asyncio
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .corpora import carrel, folders, judgements, load, questions, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args()
    for folder in options.folders or [one for one in folders() if one.name == "squad"]:
        with carrel():
            index = load(folder)
            print(folder.name, flush=True)
            for name, asked in pairs(folder):
                asyncio.run(run(name, index.pk, asked))


Pair = tuple[str, str, set[str]]  # the question before, the question, ids of what answers it


def pairs(folder: Path) -> Iterator[tuple[str, list[Pair]]]:
    from chat.providers.words import content_terms

    judged, asked = judgements(folder), questions(folder)
    titles = {one["id"]: one["title"] for one in rows(folder / "corpus.jsonl")}
    about = {one["id"]: titles[min(judged[one["id"]])] for one in asked}
    chance = random.Random(5)
    changes, stays = list[Pair](), list[Pair]()
    for one in asked:
        title, right = about[one["id"]], judged[one["id"]]
        others = [other for other in asked if about[other["id"]] != title]
        changes.append((chance.choice(others)["text"], one["text"], right))
        names = set(content_terms(title))
        alike = [o["text"] for o in asked if about[o["id"]] == title and o["id"] != one["id"]]
        naming = [text for text in alike if names & set(content_terms(text))]
        words = one["text"].split()
        short = [word for word in words if not names & set(content_terms(word))]
        if naming and len(short) < len(words):
            stays.append((chance.choice(naming), " ".join(short), right))
    yield "after another thing", changes
    yield "after the same thing, its name left out", stays


async def run(name: str, index_id: str, asked: Sequence[Pair]) -> None:
    from django.utils import timezone

    from chat.agent.followups import standalone
    from chat.agent.tools import Toolbox
    from chat.events.transcript import Exchange, Transcript
    from chat.providers.extractive import ExtractiveModel
    from chat.providers.words import content_terms
    from chat.retrieval.base import Query
    from chat.retrieval.search import search

    toolbox, model = Toolbox({index_id: name}), ExtractiveModel()

    async def is_right(query: str, right: set[str]) -> bool:
        found = await search(Query(query, (index_id,), top_k=1))
        return bool(found) and found[0].file_name.removesuffix(".md") in right

    counts: dict[bool, list[Any]] = {True: [], False: []}
    for before, text, right in asked:
        talk = Transcript([Exchange(1, 1, before, timezone.now())])
        carried = " ".join([*dict.fromkeys(content_terms(before)), text])
        ways = text, carried, await standalone(text, talk, model, toolbox.fit)
        row = [await is_right(query, right) for query in ways]
        for is_short in {False, len(content_terms(text)) == 2}:
            counts[is_short].append(row)
    for is_short, found in counts.items():
        shares = [sum(column) / len(found) for column in zip(*found, strict=True)]
        which = "of two words" if is_short else "all"
        print(
            f"  {name}, {which} ({len(found)}): as asked {shares[0]:.2f}, always with the words "
            f"before {shares[1]:.2f}, as a turn does {shares[2]:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
