"""Collections of texts with questions whose answers are known, and a Carrel that holds them.

A folder holds ``corpus.jsonl`` {id, title, text}, ``queries.jsonl`` {id, text}, ``qrels.tsv``
(query, document, grade; a header line) and, of some, ``answers.jsonl`` {id, answers}.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django

from tests.server import Server

if TYPE_CHECKING:
    from chat.models import Index

HOME = Path(os.environ.get("RETRIEVAL_DATA", "../shared/data/retrieval"))


def folders() -> list[Path]:
    """Those of ``$RETRIEVAL_DATA``; says so when there are none."""
    found = sorted(path.parent for path in HOME.glob("*/corpus.jsonl"))
    if not found:
        print(f"left out: no collection in {HOME}; set RETRIEVAL_DATA to a folder of some")
    return found


@contextmanager
def carrel(database_url: str = "", keep: Path | None = None) -> Iterator[Server]:
    """A Carrel of its own, thrown away afterwards; Django is set up on its data.

    ``start("web")`` it once it is filled. Its files are in ``keep``, if that is given, and stay.
    """
    with tempfile.TemporaryDirectory(prefix="carrel-bench-") as made:
        data = keep or Path(made)
        url = database_url or f"sqlite:///{data.resolve()}/carrel.sqlite3"
        os.environ |= {"DJANGO_SETTINGS_MODULE": "chatsite.settings", "CARREL_DATA_DIR": str(data)}
        os.environ |= {"LOG_LEVEL": "WARNING", "DATABASE_URL": url}
        django.setup()
        server = Server(data, DATABASE_URL=url)
        try:
            yield server
        finally:
            server.stop()


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as lines:
        yield from map(json.loads, lines)


def judgements(folder: Path) -> dict[str, set[str]]:
    """By question the ids of the documents that fit."""
    relevant: dict[str, set[str]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        question, document, grade = line.split("\t")[:3]
        if int(grade) > 0:
            relevant.setdefault(question, set()).add(document)
    return relevant


def questions(folder: Path) -> list[dict[str, Any]]:
    """Those with a judgement."""
    judged = judgements(folder)
    return [one for one in rows(folder / "queries.jsonl") if one["id"] in judged]


def load(folder: Path) -> "Index":
    """The collection as a synced index, one Markdown file a document, its title as metadata."""
    from django.core.files.base import ContentFile
    from django.db import transaction

    from chat.models import Directory, DirectoryFile, File, Index, Project

    project = Project.default()
    directory = Directory.objects.create(project=project, name=folder.name)
    with transaction.atomic():
        for number, one in enumerate(rows(folder / "corpus.jsonl")):
            text = f"# {one['title']}\n\n{one['text']}\n".encode()
            file = File(project=project, name=f"{one['id']}.md", size=len(text), sha256=str(number))
            file.content.save("", ContentFile(text), save=False)
            file.save()
            DirectoryFile.objects.create(
                directory=directory,
                file=file,
                display_name=f"{one['id']}.md",
                unique_id=one["id"],
                metadata={"title": one["title"]},
            )
    index = Index.objects.create(project=project, directory=directory, name=folder.name)
    sync(index)
    return index


def sync(index: "Index") -> float:
    """Sync as a worker does; answers the seconds it took."""
    from chat.retrieval.sync import run_sync

    started = time.perf_counter()
    run_sync(index.syncs.create().pk)
    return time.perf_counter() - started
