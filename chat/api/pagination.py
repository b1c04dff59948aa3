"""Lists in pages. A token remembers the last row's place, not a count of rows before it.

So rows that come or go during a walk neither repeat nor hide those that were there before.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import orjson
from django.core import signing
from django.db.models import Model, Q, QuerySet
from pydantic import BaseModel, Field

from chat.errors import Invalid

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)

DEFAULT_SIZE = 50
LARGEST_SIZE = 1000
SALT = "chat.api.page"


class Paging(BaseModel):
    """What every list takes."""

    page_size: int | None = Field(
        None,
        ge=1,
        description=f"Default {DEFAULT_SIZE}; more than {LARGEST_SIZE} is reduced to it.",
    )
    page_token: str | None = Field(default=None, description="From the page before.")

    @property
    def size(self) -> int:
        return min(self.page_size or DEFAULT_SIZE, LARGEST_SIZE)


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    next_page_token: str | None = Field(description="Null on the last page.", examples=[None])
    total_size: int | None = Field(examples=[1])


def paginate(
    rows: QuerySet[Row],
    order: Sequence[str],
    paging: Paging,
    show: Callable[[list[Row]], list[Item]],
    where: str = "query",
    as_at_start: Callable[[QuerySet[Row], Any], QuerySet[Row]] | None = None,
) -> Page[Item]:
    """One page of the rows, ordered by these fields; the last must be unique.

    Where use changes the order's first field, ``as_at_start`` annotates it as it was when the walk
    began: it gets the rows and the very first value of the walk, None on the first page.
    Raises ``Invalid`` for a token that was not made here, or for another order.
    """
    total, of = rows.count(), f"{rows.model._meta.model_name} by {','.join(order)}"
    place = first = None
    if paging.page_token:
        place, first = read_token(paging.page_token, of, where)
    if as_at_start:
        rows = as_at_start(rows, first)
    if place:
        rows = rows.filter(_beyond(order, place))
    found = list(rows.order_by(*order)[: paging.size + 1])
    shown, more = found[: paging.size], len(found) > paging.size
    token = None
    if more:
        first = first or _value(shown[0], order[0])
        token = make_token([[_value(shown[-1], name) for name in order], first], of)
    return Page(items=show(shown), next_page_token=token, total_size=total)


def paginate_list(
    items: Sequence[Item],
    of: str,
    place_of: Callable[[Item], list[Any]],
    paging: Paging,
    where: str = "body",
) -> Page[Item]:
    """One page of what is at hand; ``of`` says what it is, places are unique, and sort."""
    ordered = sorted(items, key=place_of)
    last = read_token(paging.page_token, of, where) if paging.page_token else None
    rest = [item for item in ordered if last is None or place_of(item) > last]
    shown, more = rest[: paging.size], len(rest) > paging.size
    token = make_token(place_of(shown[-1]), of) if more else None
    return Page(items=shown, next_page_token=token, total_size=len(ordered))


def _value(row: Model, name: str) -> Any:
    return getattr(row, name.removeprefix("-"))


def _beyond(order: Sequence[str], place: Sequence[Any]) -> Q:
    """Rows after the place: greater in the first field, or equal there and greater in the next…"""
    beyond, equal = Q(), Q()
    for name, value in zip(order, place, strict=True):
        field, way = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
        beyond |= equal & Q(**{f"{field}__{way}": value})
        equal &= Q(**{field: value})
    return beyond


def make_token(place: Any, of: str) -> str:
    """An opaque token for a place in the list ``of``."""
    return signing.dumps([of, place], salt=SALT, serializer=Serializer)


def read_token(token: str, of: str, where: str = "query") -> Any:
    """The place again. Raises ``Invalid`` unless the token was made here for the same list."""
    try:
        made_for, place = signing.loads(token, salt=SALT, serializer=Serializer)
    except (signing.BadSignature, ValueError):
        made_for = place = None
    if made_for != of:
        raise Invalid("Not a token from a page of this list.", "page_token", where=where)
    return place


class Serializer:
    """JSON, with dates and ids as text."""

    def dumps(self, obj: Any) -> bytes:
        return orjson.dumps(obj)

    def loads(self, data: bytes) -> Any:
        return orjson.loads(data)
