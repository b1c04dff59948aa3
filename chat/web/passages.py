"""A document's passages where they stand in it: one marked, and the ways to those beside it."""

from dataclasses import dataclass

from django.utils.http import urlencode

from chat.models import Chunk, Document


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
