"""Conditions on documents, as far as they are the same in every database.

A list in the metadata meets a condition when one of its values does. Values of different kinds (a
text and a number) are never equal, and neither comes before the other.
"""

from collections.abc import Callable
from typing import Any

from chat.models import Document
from chat.retrieval.base import Condition, Query

COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
COLUMNS = {"file_name": "chat_document.name", "file_id": "chat_document.directory_file_id"}

SQL = tuple[str, list[Any]]  # an expression and its parameters


def allowed_documents(query: Query, as_sql: Callable[[Condition], SQL]) -> list[int] | None:
    """The documents that meet the query's conditions; None if it has none."""
    if not query.conditions:
        return None
    documents = Document.objects.readable().filter(index__in=query.index_ids)
    for condition in query.conditions:
        sql, parameters = as_sql(condition)
        documents = documents.extra(where=[sql], params=parameters)  # noqa: S610  (fixed SQL)
    return list(documents.values_list("pk", flat=True).order_by())


def any_value(
    condition: Condition,
    equality: Callable[[Any], SQL],
    comparison: Callable[[str, Any], SQL],
    never: str,
) -> SQL:
    """A test of one ``value``: of a negated condition, the test that must fail."""
    if condition.operator in ("eq", "ne"):
        tests = [equality(condition.value)]
    elif condition.operator in ("in", "nin"):
        tests = [equality(value) for value in condition.value]
    else:
        tests = [comparison(COMPARISONS[condition.operator], condition.value)]
    sql = " OR ".join(sql for sql, _ in tests) or never
    return sql, [value for _, values in tests for value in values]


def negated(condition: Condition, sql: str) -> str:
    return f"NOT {sql}" if condition.operator in ("ne", "nin") else sql
