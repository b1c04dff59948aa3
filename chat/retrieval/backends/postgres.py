"""Search in PostgreSQL: BM25 over a table of postings, vectors by pgvector."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from django.db import connection, transaction

from chat import conf
from chat.models import Chunk
from chat.providers.base import Vectors
from chat.retrieval.base import Candidate, Condition, Query

from .conditions import COLUMNS, SQL, allowed_documents, any_value, negated
from .frequencies import Found, Frequencies
from .sketches import let_through
from .stems import asked_stems, counted_terms, plain, stem_of

_REBUILT_AT_ONCE = 1_000  # chunks

# BM25. How long a chunk is counts against a fixed length, not against the average: chunks are cut
# to one size, and no score changes because another document comes or goes.
_K1, _B = 1.2, 0.75
_USUAL_LENGTH = 150  # words


class PostgresSearch:
    """The ``SearchBackend`` on PostgreSQL. One object serves all threads of a process."""

    def __init__(self) -> None:
        self._frequencies = Frequencies(_count_chunks, "SELECT count(*), 0 FROM chat_chunk")

    # Writing --------------------------------------------------------------------------------------

    def write(self, chunk_ids: Sequence[int]) -> None:
        rows = list(
            Chunk.objects.filter(pk__in=chunk_ids)
            .order_by("pk")
            .values_list(
                *("pk", "index_id", "heading", "text", "embedding"),
                *(f"document__{name}" for name in ("name", "title", "embedder")),
            )
        )
        with transaction.atomic(), connection.cursor() as cursor:
            # Not every document waits for the disk: the commit that ends its sync does, for all.
            cursor.execute("SET LOCAL synchronous_commit = off")
            _forget(cursor, chunk_ids)
            with cursor.copy("COPY chat_posting (term, scope, chunk_id, weight) FROM STDIN") as to:
                for pk, index_id, heading, text, _, name, title, _ in rows:
                    scope = _scope(index_id)
                    for word, weight in _weights(f"{name} {title} {heading}", text):
                        to.write_row((word, scope, pk, weight))
            with cursor.copy(
                "COPY chat_vector (chunk_id, scope, embedder, embedding) FROM STDIN"
            ) as to:
                for pk, index_id, _, _, embedding, _, _, embedder in rows:
                    if embedding is not None:
                        vector = np.frombuffer(embedding, "<f4")
                        to.write_row((pk, _scope(index_id), embedder, _as_text(vector)))

    def remove(self, document_ids: Sequence[int]) -> None:
        chunks = Chunk.objects.filter(document__in=document_ids)
        with transaction.atomic(), connection.cursor() as cursor:
            _forget(cursor, list(chunks.order_by().values_list("pk", flat=True)))

    def rebuild(self, index_ids: Iterable[str] | None = None) -> int:
        chunks = Chunk.objects.all()
        if index_ids is not None:
            chunks = chunks.filter(index__in=list(index_ids))
        ids = list(chunks.order_by("pk").values_list("pk", flat=True))
        for start in range(0, len(ids), _REBUILT_AT_ONCE):
            self.write(ids[start : start + _REBUILT_AT_ONCE])
        return len(ids)

    # Ranking --------------------------------------------------------------------------------------

    def rank(self, query: Query, vector: Vectors | None, limit: int) -> list[Candidate]:
        scopes = [_scope(index_id) for index_id in query.index_ids]
        allowed = allowed_documents(query, _condition_sql)
        if not scopes or (allowed is not None and not allowed):
            return []
        words = list(dict.fromkeys(asked_stems(query.text)))
        found = self._frequencies.look_up(words)
        by_words = _rank_by_words(words, found, scopes, allowed, limit)
        by_vector: dict[int, float] = {}
        if vector is not None:
            near, also = let_through(found.chunks, limit), list(by_words)
            by_vector = _rank_by_vector(vector, scopes, allowed, limit, near, also)
        return [
            Candidate(chunk_id, by_words.get(chunk_id, 0.0), by_vector.get(chunk_id, 0.0))
            for chunk_id in {**by_words, **by_vector}
        ]

    def document_frequencies(self, stems: Sequence[str]) -> tuple[list[int], int]:
        """In about how many chunks each stem occurs, of how many in all."""
        found = self._frequencies.look_up([plain(one) for one in stems])
        return found.counts, found.chunks


def _rank_by_words(
    words: list[str], found: Found, scopes: list[int], allowed: list[int] | None, limit: int
) -> dict[int, float]:
    """BM25 by chunk id, best first; ``found`` is how common the words are."""
    if not words:
        return {}
    rarities = [_rarity(count, found.chunks) for count in found.counts]
    chosen, parameters = _of_documents(allowed)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT chunk_id, sum(weight * rarity) AS score
            FROM unnest(%s::text[], %s::float8[]) AS asked (term, rarity)
            JOIN chat_posting USING (term)
            WHERE scope = ANY(%s) {chosen}
            GROUP BY chunk_id ORDER BY score DESC, chunk_id LIMIT %s
            """,
            [words, rarities, scopes, *parameters, limit],
        )
        return dict(cursor.fetchall())


def _rank_by_vector(
    vector: Vectors,
    scopes: list[int],
    allowed: list[int] | None,
    limit: int,
    near: int,
    also: list[int],
) -> dict[int, float]:
    """Cosine by chunk id: the ``limit`` best, and those of the ``also`` that have a vector.

    The sketches choose so many that are ``near``, the vectors themselves decide. That is no
    approximate index: it costs nothing when written, and what a filter leaves is searched as well
    as the whole. Those chosen are looked up as an array: joined, the planner would read the whole
    table for them.
    """
    chosen, parameters = _of_documents(allowed)
    embedder, asked = conf.embedder().name, _as_text(vector)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH best AS (
                SELECT chunk_id, -(embedding <#> %s::halfvec) AS score FROM chat_vector
                WHERE chunk_id = ANY(ARRAY(
                    SELECT chunk_id FROM chat_vector
                    WHERE scope = ANY(%s) AND embedder = %s {chosen}
                    ORDER BY sketch <~> binary_quantize(%s::halfvec), chunk_id LIMIT %s
                ))
                ORDER BY score DESC, chunk_id LIMIT %s
            )
            SELECT chunk_id, score FROM best
            UNION
            SELECT chunk_id, -(embedding <#> %s::halfvec) FROM chat_vector
            WHERE chunk_id = ANY(%s) AND embedder = %s
            """,
            [
                *(asked, scopes, embedder, *parameters, asked, near),
                *(limit, asked, also, embedder),
            ],
        )
        return dict(cursor.fetchall())


def _of_documents(allowed: list[int] | None) -> tuple[str, list[Any]]:
    """One more condition on ``chunk_id``, with its parameters."""
    if allowed is None:
        return "", []
    return "AND chunk_id IN (SELECT id FROM chat_chunk WHERE document_id = ANY(%s))", [allowed]


def _forget(cursor, chunk_ids: Sequence[int]) -> None:
    for table in ("chat_posting", "chat_vector"):
        cursor.execute(f"DELETE FROM {table} WHERE chunk_id = ANY(%s)", [list(chunk_ids)])


@lru_cache(maxsize=10_000)
def _scope(index_id: str) -> int:
    """The index as a number: the first 64 of its id's 128 random bits."""
    return int.from_bytes(bytes.fromhex(index_id[4:20]), signed=True)


def _as_text(vector: Vectors) -> str:
    """As pgvector writes one."""
    return orjson.dumps(vector, option=orjson.OPT_SERIALIZE_NUMPY).decode()


# Words --------------------------------------------------------------------------------------------


def _weights(title: str, text: str) -> Iterator[tuple[str, float]]:
    """Each stem of a chunk with its part of the BM25: all of it but how rare the word is."""
    terms, words = counted_terms(title, text)
    length = words / _USUAL_LENGTH
    for word, count in Counter(map(stem_of, terms)).items():
        yield word, count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * length))


def _rarity(count: int, chunks: int) -> float:
    return float(np.log1p((max(chunks - count, 0) + 0.5) / (count + 0.5)))


def _count_chunks(cursor, words: list[str]) -> Iterable[tuple[str, int]]:
    cursor.execute(
        "SELECT term, count(*) FROM chat_posting WHERE term = ANY(%s) GROUP BY term", [words]
    )
    return cursor.fetchall()


# Conditions on documents --------------------------------------------------------------------------


def _condition_sql(condition: Condition) -> SQL:
    """A condition as SQL on chat_document; as on SQLite in every respect."""
    test, values = any_value(condition, _equality, _comparison, never="FALSE")
    if column := COLUMNS.get(condition.field):
        found = f"EXISTS (SELECT 1 FROM to_jsonb({column}) AS value WHERE {test})"
        return negated(condition, found), values
    found = f"""EXISTS (
        SELECT 1 FROM jsonb_each(chat_document.metadata) AS field (key, content),
        jsonb_array_elements(
            CASE jsonb_typeof(content) WHEN 'array' THEN content ELSE jsonb_build_array(content) END
        ) AS value
        WHERE key = %s AND ({test})
    )"""
    return negated(condition, found), [condition.field, *values]


def _equality(value: Any) -> SQL:
    return "value = %s::jsonb", [json.dumps(value)]


def _comparison(operator: str, value: Any) -> SQL:
    if isinstance(value, str):  # by code point: not as the database's own language sorts
        text = "(value #>> '{}') COLLATE \"C\""
        return f"(jsonb_typeof(value) = 'string' AND {text} {operator} %s)", [value]
    number = json.dumps(value)
    return f"(jsonb_typeof(value) = 'number' AND value {operator} %s::jsonb)", [number]
