"""Search in SQLite: FTS5 ranks by words, vectors are scanned in memory."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from chat import conf
from chat.models import Chunk
from chat.providers.base import Vectors
from chat.providers.words import content_terms
from chat.retrieval.base import Candidate, Condition, Query

from .conditions import COLUMNS, SQL, allowed_documents, any_value, negated
from .frequencies import Frequencies
from .vectors import VectorShelf

_REBUILT_AT_ONCE = 1_000  # chunks


class SQLiteSearch:
    """The ``SearchBackend`` on SQLite. One object serves all threads of a process."""

    def __init__(self) -> None:
        self._vectors = VectorShelf(settings.SEARCH_MEMORY_MB * 2**20)
        self._frequencies = Frequencies(_count_chunks)

    # Writing --------------------------------------------------------------------------------------

    def write(self, chunk_ids: Sequence[int]) -> None:
        ids = json.dumps(list(chunk_ids))
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM chat_fulltext WHERE rowid IN ({_VALUES})", [ids])
            cursor.execute(
                f"""
                INSERT INTO chat_fulltext (rowid, scope, title, text)
                SELECT chunk.id, substr(chunk.index_id, 5),
                       document.name || ' ' || document.title || ' ' || chunk.heading, chunk.text
                FROM chat_chunk chunk JOIN chat_document document ON document.id = document_id
                WHERE chunk.id IN ({_VALUES})
                """,
                [ids],
            )
            _mark_changed(cursor, f"SELECT index_id FROM chat_chunk WHERE id IN ({_VALUES})", ids)

    def remove(self, document_ids: Sequence[int]) -> None:
        ids = json.dumps(list(document_ids))
        chunks = f"FROM chat_chunk WHERE document_id IN ({_VALUES})"
        with connection.cursor() as cursor:
            _mark_changed(cursor, f"SELECT index_id {chunks}", ids)
            cursor.execute(f"DELETE FROM chat_fulltext WHERE rowid IN (SELECT id {chunks})", [ids])

    def rebuild(self, index_ids: Iterable[str] | None = None) -> int:
        chunks = Chunk.objects.all()
        if index_ids is not None:
            chunks = chunks.filter(index__in=list(index_ids))
        ids = list(chunks.order_by("pk").values_list("pk", flat=True))
        if index_ids is None:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM chat_fulltext")
        for start in range(0, len(ids), _REBUILT_AT_ONCE):
            with transaction.atomic():
                self.write(ids[start : start + _REBUILT_AT_ONCE])
        return len(ids)

    # Ranking --------------------------------------------------------------------------------------

    def rank(self, query: Query, vector: Vectors | None, limit: int) -> list[Candidate]:
        allowed = allowed_documents(query, _condition_sql)
        if allowed is not None and not allowed:
            return []
        by_words = self._rank_by_words(query, allowed, limit)
        by_vector: dict[int, float] = {}
        if vector is not None:
            by_vector = self._vectors.rank(
                query.index_ids, conf.embedder().name, vector, allowed, limit, also=list(by_words)
            )
        return [
            Candidate(chunk_id, by_words.get(chunk_id, 0.0), by_vector.get(chunk_id, 0.0))
            for chunk_id in {**by_words, **by_vector}
        ]

    def _rank_by_words(
        self, query: Query, allowed: Sequence[int] | None, limit: int
    ) -> dict[int, float]:
        """BM25 by chunk id, best first."""
        words = " OR ".join(f'"{term}"' for term in dict.fromkeys(content_terms(query.text)))
        if not words or not query.index_ids:
            return {}
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

    def document_frequencies(self, stems: Sequence[str]) -> tuple[list[int], int]:
        """In how many chunks each stem occurs, of how many in all."""
        return self._frequencies.look_up(stems)


_VALUES = "SELECT value FROM json_each(%s)"  # a list as one parameter: there is no limit to it


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
