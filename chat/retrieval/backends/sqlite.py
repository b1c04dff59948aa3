"""Search in SQLite: FTS5 ranks by words, vectors are scanned in memory."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from chat import conf
from chat.models import Chunk, Document
from chat.providers.base import Vectors
from chat.providers.words import content_terms
from chat.retrieval.base import Candidate, Condition, Query

from .vectors import VectorShelf

_REBUILT_AT_ONCE = 1_000  # chunks


class SQLiteSearch:
    """The ``SearchBackend`` on SQLite. One object serves all threads of a process."""

    def __init__(self) -> None:
        self._vectors = VectorShelf(settings.SEARCH_MEMORY_MB * 2**20)
        self._frequencies = _Frequencies()

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
        allowed = _allowed_documents(query) if query.conditions else None
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


class _Frequencies:
    """Document frequencies, counted once and kept until the number of chunks has changed a lot."""

    def __init__(self) -> None:
        self._chunks = 0
        self._known: dict[str, int] = {}

    def look_up(self, stems: Sequence[str]) -> tuple[list[int], int]:
        with connection.cursor() as cursor:
            # The highest id: counting the rows takes a scan, and this need only be roughly right.
            cursor.execute("SELECT coalesce(max(id), 0) FROM chat_chunk")
            [(chunks,)] = cursor.fetchall()
            if abs(chunks - self._chunks) > self._chunks // 50 or len(self._known) > 100_000:
                self._chunks, self._known = chunks, {}
            known = self._known
            new = [stem for stem in dict.fromkeys(stems) if stem not in known]
            if new:
                cursor.execute(
                    f"SELECT term, doc FROM chat_fulltext_words WHERE term IN ({_VALUES})",
                    [json.dumps(new)],
                )
                known.update(dict.fromkeys(new, 0) | dict(cursor.fetchall()))
        return [known[stem] for stem in stems], max(chunks, 1)


# Conditions on documents --------------------------------------------------------------------------


def _allowed_documents(query: Query) -> list[int]:
    documents = Document.objects.readable().filter(index__in=query.index_ids)
    for condition in query.conditions:
        sql, parameters = _condition_sql(condition)
        documents = documents.extra(where=[sql], params=parameters)  # noqa: S610  (fixed SQL)
    return list(documents.values_list("pk", flat=True).order_by())


_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_COLUMNS = {"file_name": "chat_document.name", "file_id": "chat_document.directory_file_id"}


def _condition_sql(condition: Condition) -> tuple[str, list[Any]]:
    """A condition as SQL on chat_document, with its parameters.

    A list in the metadata meets a condition when one of its values does. Values of different
    kinds (a text and a number) are never equal, and neither comes before the other.
    """
    negated = condition.operator in ("ne", "nin")
    if condition.operator in ("eq", "ne"):
        tests = [_equality(condition.value)]
    elif condition.operator in ("in", "nin"):
        tests = [_equality(value) for value in condition.value]
    else:
        tests = [_comparison(_COMPARISONS[condition.operator], condition.value)]
    test = " OR ".join(sql for sql, _ in tests) or "0"
    values = [value for _, values in tests for value in values]
    if column := _COLUMNS.get(condition.field):
        found = f"EXISTS (SELECT 1 FROM (SELECT {column} AS value, 'text' AS type) WHERE {test})"
        return (f"NOT {found}" if negated else found), values
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
    return (f"NOT {found}" if negated else found), [condition.field, *values]


def _equality(value: Any) -> tuple[str, list[Any]]:
    if value is None:
        return "type = 'null'", []
    if isinstance(value, bool):
        return f"type = '{json.dumps(value)}'", []
    return _comparison("=", value)


def _comparison(operator: str, value: Any) -> tuple[str, list[Any]]:
    types = "('text')" if isinstance(value, str) else "('integer', 'real')"
    return f"(type IN {types} AND value {operator} %s)", [value]
