"""How long a search takes: beside SQLite's bare full-text query, and beside others.

    python -m bench.search_speed [--chunks 10000 100000] [--questions 100]
                                 [--databases sqlite postgresql] [--keep FOLDER]

Passages are put together anew from the sentences of the collections in ``$RETRIEVAL_DATA``;
questions are the collections'. Whole requests are ``POST /api/v1/retrieval/retrieve`` over one kept
connection, warm, one after the other; the bare query is that of the database's own full text over a
table of the same passages. One index of all passages is set against ten of a tenth each. Figures
are medians over the questions, of the best of three times each.

PostgreSQL is one of the bench's own, as the tests have it. With ``--keep`` what was filled on
SQLite is used again the next time.

``PEERS=/path/to/python`` adds Chroma, LanceDB and LlamaIndex, from an environment of their own
with ``chromadb lancedb llama-index-core llama-index-retrievers-bm25 pyarrow``.
"""

import argparse
import asyncio
import json
import math
import os
import random
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from chat.providers.embedded import StaticEmbedder
from chat.providers.words import content_terms, sentences
from tests.server import Server

from .corpora import carrel, folders, rows

LENGTH = 900  # characters of a passage, about
TO_A_DOCUMENT = 100  # passages


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--chunks", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    if not folders():
        return
    every = [one["text"] for folder in folders() for one in rows(folder / "queries.jsonl")]
    asked = random.Random(1).sample(every, min(options.questions, len(every)))
    for count in options.chunks:
        texts = passages(count)
        vectors = StaticEmbedder().encode(texts)
        print(f"{count} passages of {statistics.mean(map(len, texts)):.0f} characters", flush=True)
        for database in options.databases:
            keep = options.keep and options.keep / str(count)
            # In a process of its own: Django has one database.
            arguments = (database, keep, texts, vectors, asked)
            process = get_context("spawn").Process(target=measure, args=arguments)
            process.start()
            process.join()
        ask_peers(texts, vectors, asked)


def passages(count: int) -> list[str]:
    """Sentences of the collections, mixed so that no two passages are the same."""
    pool = [
        one["text"][start:end]
        for folder in folders()
        for one in rows(folder / "corpus.jsonl")
        for start, end in sentences(one["text"])
    ]
    choose, made = random.Random(1), []
    for _ in range(count):
        text = ""
        while len(text) < LENGTH:
            text += f"{choose.choice(pool)} "
        made.append(text.strip())
    return made


def measure(
    database: str,
    keep: Path | None,
    texts: Sequence[str],
    vectors: np.ndarray,
    asked: Sequence[str],
) -> None:
    print(f"  on {database}", flush=True)
    with installed(database, keep) as server:
        whole = fill("whole", texts, vectors)
        parts = [fill(f"part {n}", texts[n::10], vectors[n::10]) for n in range(10)]
        bare = {"sqlite": bare_fts5, "postgresql": bare_tsvector}[database](server, texts)
        print_time("bare full-text query", baseline := median(bare, asked))
        server.start("web")
        with server.api() as api:
            for name, rerank in (("request, reranked", True), ("request, not reranked", False)):

                def request(text: str, rerank: bool = rerank) -> None:
                    body = {"index_id": whole, "query": text, "rerank": {"enabled": rerank}}
                    api.post("/retrieval/retrieve", json=body).raise_for_status()

                took = median(request, asked)
                print_time(name, took, f"allowed {1.5 * baseline + 5:.1f}")
        one_against_ten(whole, parts, asked)
        vector_stage(whole, vectors, asked)


@contextmanager
def installed(database: str, keep: Path | None) -> Iterator[Server]:
    if database == "sqlite":
        with carrel(keep=keep) as server:
            yield server
        return
    from tests.postgres import running_server

    with running_server() as postgres, carrel(postgres.new_database()) as server:
        yield server
        from django.db import connection

        connection.close()


def fill(name: str, texts: Sequence[str], vectors: np.ndarray) -> str:
    """An index of those passages, written as a sync would write them; answers its id."""
    from django.db import transaction
    from django.utils import timezone

    from chat import conf
    from chat.models import Chunk, Directory, DirectoryFile, Document, File, Index, Project

    project = Project.default()
    if kept := Index.objects.filter(name=name).first():
        return kept.pk
    directory = Directory.objects.create(project=project, name=name)
    index = Index.objects.create(
        project=project, directory=directory, name=name, last_synced_at=timezone.now()
    )
    file = File.objects.create(project=project, name=name, size=1, sha256=name)
    for start in range(0, len(texts), TO_A_DOCUMENT):
        part = texts[start : start + TO_A_DOCUMENT]
        label = f"{name} {start}.txt"
        with transaction.atomic():
            filed = DirectoryFile.objects.create(
                directory=directory, file=file, display_name=label, unique_id=label
            )
            document = Document.objects.create(
                index=index,
                directory_file=filed,
                name=label,
                state="ready",
                embedder=conf.embedder().name,
                chunk_count=len(part),
            )
            chunks = Chunk.objects.bulk_create(
                Chunk(
                    document=document,
                    index=index,
                    ordinal=ordinal,
                    text=text,
                    start_char=ordinal * 2 * LENGTH,
                    end_char=ordinal * 2 * LENGTH + len(text),
                    token_count=len(text) // 4,
                    embedding=vectors[start + ordinal].astype("<f4").tobytes(),
                )
                for ordinal, text in enumerate(part)
            )
            conf.search_backend().write([chunk.pk for chunk in chunks])
    return index.pk


def bare_fts5(server: Server, texts: Iterable[str]) -> Callable[[str], Any]:
    path = server.data / "bare.sqlite3"
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path)
    database.execute("CREATE VIRTUAL TABLE passages USING fts5(text, tokenize='porter unicode61')")
    database.executemany("INSERT INTO passages VALUES (?)", ((text,) for text in texts))
    database.commit()

    def query(text: str) -> Any:
        words = " OR ".join(f'"{term}"' for term in dict.fromkeys(content_terms(text)))
        sql = "SELECT rowid, rank FROM passages WHERE passages MATCH ? ORDER BY rank LIMIT 50"
        return database.execute(sql, (words,)).fetchall()

    return query


def bare_tsvector(server: Server, texts: Iterable[str]) -> Callable[[str], Any]:
    import psycopg

    database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    database.execute("CREATE TABLE passages (id serial, words tsvector)")
    with database.cursor() as cursor:
        sql = "INSERT INTO passages (words) VALUES (to_tsvector('english', %s))"
        cursor.executemany(sql, [(text,) for text in texts])
    database.execute("CREATE INDEX ON passages USING gin (words)")
    database.execute("VACUUM ANALYZE")  # all tables, as the server itself does within minutes

    def query(text: str) -> Any:
        words = " | ".join(dict.fromkeys(content_terms(text)))
        sql = """
            SELECT id, ts_rank_cd(words, asked) AS rank
            FROM passages, to_tsquery('english', %s) AS asked
            WHERE words @@ asked ORDER BY rank DESC LIMIT 50
        """
        return database.execute(sql, [words]).fetchall()

    return query


def one_against_ten(whole: str, parts: Sequence[str], asked: Sequence[str]) -> None:
    from chat.retrieval.base import Query
    from chat.retrieval.search import search

    with asyncio.Runner() as runner:
        for name, ids in (("search, one index", [whole]), ("search, ten of a tenth", parts)):

            def ask(text: str, ids: Sequence[str] = ids) -> None:
                runner.run(search(Query(text, tuple(ids))))

            print_time(name, median(ask, asked))


def vector_stage(index_id: str, vectors: np.ndarray, asked: Sequence[str]) -> None:
    from chat import conf
    from chat.models import Chunk
    from chat.retrieval.base import Query

    embedder, backend = StaticEmbedder(), conf.search_backend()
    ids = np.array(Chunk.objects.filter(index=index_id).order_by("pk").values_list("pk", flat=True))
    shared = []
    rankings = {text: embedder.encode([text])[0] for text in asked}

    def rank(text: str) -> list[int]:
        found = backend.rank(Query("", (index_id,)), rankings[text], 10)
        return [one.chunk_id for one in found]

    took = median(rank, asked)
    for text in asked:
        best = set(ids[np.argsort(-(vectors @ rankings[text]))[:10]].tolist())
        shared.append(len(best & set(rank(text))) / 10)
    print_time("vector stage", took, f"recall@10 {statistics.mean(shared):.3f}")


def median(work: Callable[[str], Any], asked: Sequence[str]) -> float:
    """Milliseconds: of each question the best of three, once all have been asked before."""
    best: dict[str, float] = {}
    for turn in range(4):
        for text in asked:
            started = time.perf_counter()
            work(text)
            took = time.perf_counter() - started
            best[text] = min(best.get(text, took), took) if turn else math.inf
    return statistics.median(best.values()) * 1000


def print_time(name: str, milliseconds: float, note: str = "") -> None:
    print(f"  {name:38} {milliseconds:8.2f} ms  {note}".rstrip(), flush=True)


def ask_peers(texts: Sequence[str], vectors: np.ndarray, asked: Sequence[str]) -> None:
    """Give the same passages, vectors and questions to others, in their own environment."""
    python = os.environ.get("PEERS")
    if not python:
        print("  peers left out: set PEERS to the Python of an environment that has them")
        return
    with tempfile.TemporaryDirectory(prefix="carrel-peers-") as folder:
        np.save(f"{folder}/vectors.npy", vectors)
        np.save(f"{folder}/asked.npy", StaticEmbedder().encode(asked))
        Path(folder, "texts.json").write_text(json.dumps(list(texts)))
        Path(folder, "asked.json").write_text(json.dumps(list(asked)))
        script = Path(__file__).with_name("search_peers.py")
        subprocess.run([python, str(script), folder], check=False)


if __name__ == "__main__":
    main()
