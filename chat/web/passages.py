"""A document's passages where they stand in it: each named in the margin, and the ways between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.http import urlencode
from django.utils.translation import gettext as _

from chat.models import Chunk, Document


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something begins in a text, as a link in its margin."""

    start: int  # characters
    name: str
    words: str  # for who does not see where it stands
    url: str
    is_here: bool = False  # it is what the page shows


# Those of a stretch of a document, from a character to a character, in order.
Marks = Callable[[int, int], Sequence[Mark]]


def passage_marks(document: Document, shown: int, until: int) -> Marks:
    """Of all its passages; ``shown`` to ``until`` is the one that the page was asked for."""

    def marks(first: int, last: int) -> list[Mark]:
        chunks = document.chunks.filter(end_char__gt=first, start_char__lt=last)
        return [
            Mark(
                start=max(one.start_char, first),
                name=str(one.ordinal + 1),
                words=_("Passage %(number)s") % {"number": one.ordinal + 1},
                url=_address(one),
                is_here=one.start_char <= shown < one.end_char and shown < until,
            )
            for one in chunks.order_by("ordinal").only("ordinal", "start_char", "end_char")
        ]

    return marks


@dataclass(frozen=True, slots=True)
class Step:
    """The passage that is shown, and the addresses of the one before it and the one after."""

    number: int  # from 1; 0 while none is shown
    count: int
    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, document: Document, start: int, end: int) -> "Step | None":
        """At the passage that holds the beginning of the span; None for a document without any."""
        chunks = document.chunks.order_by("ordinal").only("ordinal", "start_char", "end_char")
        if not document.chunk_count:
            return None
        if end <= start:
            return cls(0, document.chunk_count, after=_address(chunks.first()))
        here = chunks.filter(start_char__lte=start).last() or chunks.first()
        at = here.ordinal if here else 0
        beside = {one.ordinal: one for one in chunks.filter(ordinal__in=[at - 1, at + 1])}
        before, after = _address(beside.get(at - 1)), _address(beside.get(at + 1))
        return cls(at + 1, document.chunk_count, before, after)


def _address(chunk: Chunk | None) -> str:
    """Where the document is shown with this chunk marked."""
    if chunk is None:
        return ""
    return f"?{urlencode({'start': chunk.start_char, 'end': chunk.end_char})}#passage"
