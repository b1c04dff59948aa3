"""How well search ranks: nDCG@10 and recall@10, against words alone and vectors alone.

    python -m bench.retrieval_quality [FOLDER ...]

A folder holds ``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv``; without one, every folder of
``$RETRIEVAL_DATA`` (default ``../shared/data/retrieval``) is taken. Each collection becomes an
index of a database of its own, thrown away afterwards, one document an entry; the queries then
take the way of any other search. Milliseconds are those of a whole search, one after the other.
"""

import argparse
import asyncio
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import django

DEPTH = 10
METHODS: Mapping[str, dict[str, Any]] = {
    "words alone": {"vector_weight": 0.0, "rerank": False},
    "vectors alone": {"full_text_weight": 0.0, "rerank": False},
    "fused": {"rerank": False},
    "fused and reranked": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    folders = parser.parse_args().folders
    if not folders:
        home = Path(os.environ.get("RETRIEVAL_DATA", "../shared/data/retrieval"))
        folders = sorted(path.parent for path in home.glob("*/corpus.jsonl"))
    with tempfile.TemporaryDirectory() as data:
        prepare(data)
        for folder in folders:
            measure(folder)


def prepare(data: str) -> None:
    os.environ |= {"DJANGO_SETTINGS_MODULE": "chatsite.settings", "CARREL_DATA_DIR": data}
    os.environ.pop("DATABASE_URL", None)
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def measure(folder: Path) -> None:
    index_id = load(folder)
    relevant = judgements(folder)
    questions = [one for one in rows(folder / "queries.jsonl") if one["id"] in relevant]
    print(f"{folder.name}: {len(questions)} questions")
    for name, options in METHODS.items():
        asyncio.run(ask(questions[:50], index_id, options))  # warm
        started = time.perf_counter()
        found = asyncio.run(ask(questions, index_id, options))
        each = (time.perf_counter() - started) / len(questions) * 1000
        pairs = [
            (ranking, relevant[one["id"]]) for one, ranking in zip(questions, found, strict=True)
        ]
        gain = statistics.mean(ndcg(*pair) for pair in pairs)
        recall = statistics.mean(recalled(*pair) for pair in pairs)
        print(f"  {name:20} nDCG@10 {gain:.3f}  recall@10 {recall:.3f}  {each:6.1f} ms")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as lines:
        for line in lines:
            yield json.loads(line)


def judgements(folder: Path) -> dict[str, set[str]]:
    """By question the ids of the documents that fit."""
    relevant: dict[str, set[str]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        question, document, grade = line.split("\t")[:3]
        if int(grade) > 0:
            relevant.setdefault(question, set()).add(document)
    return relevant


def load(folder: Path) -> str:
    """The collection as a synced index; answers its id."""
    from django.core.files.base import ContentFile
    from django.db import transaction

    from chat.models import Directory, DirectoryFile, File, Index, Project
    from chat.retrieval.sync import run_sync

    project = Project.default()
    directory = Directory.objects.create(project=project, name=folder.name)
    with transaction.atomic():
        for number, one in enumerate(rows(folder / "corpus.jsonl")):
            text = f"# {one['title']}\n\n{one['text']}\n".encode()
            file = File(project=project, name=f"{one['id']}.md", size=len(text), sha256=str(number))
            file.content.save("", ContentFile(text), save=False)
            file.save()
            DirectoryFile.objects.create(
                directory=directory, file=file, display_name=f"{one['id']}.md", unique_id=one["id"]
            )
    index = Index.objects.create(project=project, directory=directory, name=folder.name)
    started = time.perf_counter()
    run_sync(index.syncs.create().pk)
    seconds = time.perf_counter() - started
    count = index.chunks.count()
    print(
        f"{folder.name}: {count} chunks synced in {seconds:.1f} s, {count / seconds:.0f} a second"
    )
    return index.pk


async def ask(
    questions: Sequence[Mapping[str, Any]], index_id: str, options: Mapping[str, Any]
) -> list[list[str]]:
    """For each question the ids of the best documents, best first."""
    from chat.retrieval.base import Query
    from chat.retrieval.search import search

    found = []
    for question in questions:
        passages = await search(Query(question["text"], (index_id,), top_k=2 * DEPTH, **options))
        names = dict.fromkeys(passage.file_name.removesuffix(".md") for passage in passages)
        found.append(list(names)[:DEPTH])
    return found


def ndcg(ranking: Sequence[str], relevant: set[str]) -> float:
    gain = sum(1 / math.log2(n + 2) for n, one in enumerate(ranking) if one in relevant)
    return gain / sum(1 / math.log2(n + 2) for n in range(min(DEPTH, len(relevant))))


def recalled(ranking: Sequence[str], relevant: set[str]) -> float:
    return len(relevant & set(ranking)) / len(relevant)


if __name__ == "__main__":
    main()
