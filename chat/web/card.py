"""A citation's card: the passage from a little before what is cited, and that marked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .markdown import CITED, LINE_SIGNS, plain
from .sources import Source

LEAD = 120  # characters that are shown before what is cited, at most


@dataclass(frozen=True, slots=True)
class Card:
    """What is said of a passage beside the citation; ``cited`` is "" where all of it is meant."""

    title: str
    source: Source
    before: str
    cited: str = ""
    after: str = ""

    @classmethod
    def of(
        cls, passage: Mapping[str, Any], source: Source, title: str, start: int, end: int
    ) -> "Card":
        """``start`` and ``end`` are characters of the document, as the citation has them."""
        text = passage["content"]
        begin, length = passage["start_char"], passage["end_char"] - passage["start_char"]
        start, end = start - begin, min(end - begin, len(text))
        # What grep shows is more than the span it is known by; its places cannot be told.
        is_part = 0 <= start < end and len(text) <= length and end - start < len(text)
        if not is_part or {*CITED} & {*text}:
            return cls(title, source, plain(text))
        if sign := LINE_SIGNS.match(text, start):
            start = min(sign.end(), end)
        first = _word_start(text, start - LEAD)
        signed = f"{text[first:start]}{CITED[0]}{text[start:end]}{CITED[1]}{text[end:]}"
        before, _sign, rest = plain(signed).partition(CITED[0])
        cited, _sign, after = rest.partition(CITED[1])
        return cls(title, source, f"… {before}" if first else before, cited, after)


def _word_start(text: str, offset: int) -> int:
    """Where the first whole word after it begins; 0 at the beginning."""
    while 0 < offset < len(text) and not text[offset - 1].isspace():
        offset += 1
    return max(offset, 0)
