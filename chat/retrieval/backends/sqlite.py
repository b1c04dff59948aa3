"""Search in SQLite: words and vectors are kept in memory.

Where memory does not suffice, FTS5 ranks by words in their stead, to the same scores.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction

from chat import conf
from chat.models import Chunk
from chat.providers.base import Vectors
from chat.providers.words import content_terms
from chat.retrieval.base import Candidate, Condition, Query

from .conditions import COLUMNS, SQL, allowed_documents, any_value, negated
from .frequencies import Frequencies
from .postings import packed_words, rank_by_words
from .shelf import Shelf, revisions_of
from .stems import asked_stems, plain
from .vectors import rank_by_vector

_WRITTEN_AT_ONCE = 1_000  # chunks: of each five values in one statement, which takes 32,000


class SQLiteSearch:
    """The ``SearchBackend`` on SQLite. One object serves all threads of a process."""

    def __init__(self) -> None:
        self._shelf = Shelf(settings.SEARCH_MEMORY_MB * 2**20)
        self._frequencies = Frequencies(
            _count_chunks, "SELECT count(*), coalesce(avg(length), 0) FROM chat_words"
        )

    # Writing --------------------------------------------------------------------------------------

    def write(self, chunk_ids: Sequence[int]) -> None:
        for start in range(0, len(chunk_ids), _WRITTEN_AT_ONCE):
            self._write(json.dumps(list(chunk_ids[start : start + _WRITTEN_AT_ONCE])))

    def _write(self, ids: str) -> None:
        """In few statements of few rows: at each, this thread waits for its turn in Python."""
        with connection.cursor() as cursor, ThreadPoolExecutor(1) as thread:
            cursor.execute(
                f"""
                SELECT json_group_array(
                    json_array(chunk.id, document_id, chunk.index_id, {_TITLE}, chunk.text)
                ) {_WRITTEN}
                """,
                [ids],
            )
            [(found,)] = cursor.fetchall()
            if not (chunks := orjson.loads(found)):
                return
            *keys, titles, texts = zip(*chunks, strict=True)
            # Beside the full text, which SQLite makes without Python.
            words = thread.submit(packed_words, zip(titles, texts, strict=True))
            cursor.execute(f"DELETE FROM chat_fulltext WHERE rowid IN ({_VALUES})", [ids])
            cursor.execute(
                f"""
                INSERT INTO chat_fulltext (rowid, scope, title, text)
                SELECT chunk.id, substr(chunk.index_id, 5), {_TITLE}, chunk.text {_WRITTEN}
                """,
                [ids],
            )
            rows = zip(*keys, *zip(*words.result(), strict=True), strict=True)
            cursor.execute(
                f"""
                REPLACE INTO chat_words (chunk_id, document_id, index_id, length, stems)
                VALUES {", ".join(["(%s, %s, %s, %s, %s)"] * len(chunks))}
                """,
                [value for row in rows for value in row],
            )
            _mark_changed(cursor, f"SELECT index_id FROM chat_chunk WHERE id IN ({_VALUES})", ids)

    def remove(self, document_ids: Sequence[int]) -> None:
        ids = json.dumps(list(document_ids))
        chunks = f"FROM chat_chunk WHERE document_id IN ({_VALUES})"
        with connection.cursor() as cursor:
            _mark_changed(cursor, f"SELECT index_id {chunks}", ids)
            cursor.execute(f"DELETE FROM chat_fulltext WHERE rowid IN (SELECT id {chunks})", [ids])
            cursor.execute(f"DELETE FROM chat_words WHERE chunk_id IN (SELECT id {chunks})", [ids])

    def rebuild(self, index_ids: Iterable[str] | None = None) -> int:
        chunks = Chunk.objects.all()
        if index_ids is not None:
            chunks = chunks.filter(index__in=list(index_ids))
        ids = list(chunks.order_by("pk").values_list("pk", flat=True))
        if index_ids is None:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM chat_fulltext")
                cursor.execute("DELETE FROM chat_words")
        for start in range(0, len(ids), _WRITTEN_AT_ONCE):
            with transaction.atomic():
                self.write(ids[start : start + _WRITTEN_AT_ONCE])
        return len(ids)

    # Ranking --------------------------------------------------------------------------------------

    def rank(self, query: Query, vector: Vectors | None, limit: int) -> list[Candidate]:
        allowed = allowed_documents(query, _condition_sql)
        if allowed is not None and not allowed:
            return []
        revisions = revisions_of(query.index_ids)
        by_words = self._rank_by_words(query, revisions, allowed, limit)
        by_vector: dict[int, float] = {}
        if vector is not None:
            embedder, also = conf.embedder().name, list(by_words)
            by_vector = rank_by_vector(
                self._shelf, revisions, embedder, vector, allowed, limit, also
            )
        return [
            Candidate(chunk_id, by_words.get(chunk_id, 0.0), by_vector.get(chunk_id, 0.0))
            for chunk_id in {**by_words, **by_vector}
        ]

    def _rank_by_words(
        self,
        query: Query,
        revisions: Mapping[str, int],
        allowed: Sequence[int] | None,
        limit: int,
    ) -> dict[int, float]:
        """BM25 by chunk id, best first."""
        asked = asked_stems(query.text)
        if not asked or not revisions:
            return {}
        found = self._frequencies.look_up(asked)
        ranked = rank_by_words(self._shelf, revisions, asked, found, allowed, limit)
        return _rank_by_fulltext(query, allowed, limit) if ranked is None else ranked

    def document_frequencies(self, stems: Sequence[str]) -> tuple[list[int], int]:
        """In about how many chunks each stem occurs, of how many in all."""
        found = self._frequencies.look_up([plain(one) for one in stems])
        return found.counts, found.chunks


def _rank_by_fulltext(query: Query, allowed: Sequence[int] | None, limit: int) -> dict[int, float]:
    """BM25 by chunk id, best first."""
    words = " OR ".join(f'"{term}"' for term in dict.fromkeys(content_terms(query.text)))
    scopes = " OR ".join(f'"{index_id[4:]}"' for index_id in query.index_ids)
    match = f"scope : ({scopes}) AND {{title text}} : ({words})"
    sql, parameters = "SELECT rowid, -rank FROM chat_fulltext WHERE chat_fulltext MATCH %s", []
    if allowed is not None:
        # The unary plus keeps SQLite from looking up each of the rows in the full text.
        sql += f"""
            AND +rowid IN (SELECT id FROM chat_chunk WHERE document_id IN ({_VALUES}))
        """
        parameters = [json.dumps(allowed)]
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} ORDER BY rank LIMIT %s", [match, *parameters, limit])
        return dict(cursor.fetchall())


_VALUES = "SELECT value FROM json_each(%s)"  # a list as one parameter: there is no limit to it
_TITLE = "document.name || ' ' || document.title || ' ' || chunk.heading"
_WRITTEN = f"""
    FROM chat_chunk chunk JOIN chat_document document ON document.id = document_id
    WHERE chunk.id IN ({_VALUES})
"""


def _mark_changed(cursor, indexes: str, ids: str) -> None:
    """Tell every process that what it keeps of these indexes is old."""
    cursor.execute(f"UPDATE chat_index SET revision = revision + 1 WHERE id IN ({indexes})", [ids])


def _count_chunks(cursor, words: list[str]) -> Iterable[tuple[str, int]]:
    cursor.execute(
        f"SELECT term, doc FROM chat_fulltext_words WHERE term IN ({_VALUES})", [json.dumps(words)]
    )
    return cursor.fetchall()


# Conditions on documents --------------------------------------------------------------------------


def _condition_sql(condition: Condition) -> SQL:
    """A condition as SQL on chat_document."""
    test, values = any_value(condition, _equality, _comparison, never="0")
    if column := COLUMNS.get(condition.field):
        found = f"EXISTS (SELECT 1 FROM (SELECT {column} AS value, 'text' AS type) WHERE {test})"
        return negated(condition, found), values
    found = f"""EXISTS (
        SELECT 1 FROM json_each(chat_document.metadata) field WHERE field.key = %s AND EXISTS (
            SELECT 1 FROM (
                SELECT field.value AS value, field.type AS type WHERE field.type != 'array'
                UNION ALL
                SELECT value, type
                FROM json_each(CASE field.type WHEN 'array' THEN field.value ELSE '[]' END)
            ) WHERE {test}
        )
    )"""
    return negated(condition, found), [condition.field, *values]


def _equality(value: Any) -> SQL:
    if value is None:
        return "type = 'null'", []
    if isinstance(value, bool):
        return f"type = '{json.dumps(value)}'", []
    return _comparison("=", value)


def _comparison(operator: str, value: Any) -> SQL:
    types = "('text')" if isinstance(value, str) else "('integer', 'real')"
    return f"(type IN {types} AND value {operator} %s)", [value]
