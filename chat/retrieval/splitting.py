"""Text to chunk spans, along the structure of the document. Pure functions."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from chat.providers.base import estimate_tokens
from chat.retrieval.readers import Reading

SIZE = (1000, 1200)  # characters: a chunk ends at the best boundary between the two
OVERLAP = 200  # characters a chunk may repeat of the one before it
_STRETCH = 50_000  # characters split at once


@dataclass(frozen=True, slots=True)
class Span:
    """A chunk to be: ``text[start:end]`` of the reading, and where in the document that is."""

    start: int
    end: int
    heading: str  # the path of headings over it, outermost first, " › " between them
    page_start: int | None  # from 1
    page_end: int | None
    token_count: int


def split(reading: Reading) -> list[Span]:
    """The chunks of a reading in order; none of them blank.

    A heading stays with what it heads, and in the middle of a table the heading ends with the
    table's header row, so that a cell can be told from another.
    """
    text = reading.text
    pieces = list(_pieces(text, reading.is_markdown))
    headings = list(_headings(text)) if reading.is_markdown else []
    starts = [heading.start for heading in headings]
    return [
        Span(
            start,
            end,
            _path(headings[: bisect_right(starts, start)], _header_row(text, start)),
            bisect_right(reading.page_starts, start) or None,
            bisect_right(reading.page_starts, end - 1) or None,
            estimate_tokens(text[start:end]),
        )
        for start, end in _glued(text, pieces, reading.is_markdown)
    ]


def _pieces(text: str, is_markdown: bool) -> Iterator[tuple[int, int]]:
    splitter = (MarkdownSplitter if is_markdown else TextSplitter)(SIZE, overlap=OVERLAP)
    for start, end in _stretches(text):
        for offset, piece in splitter.chunk_indices(text[start:end]):
            yield start + offset, start + offset + len(piece)


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    """The text in stretches that end where a block does: splitting takes their length squared."""
    start = 0
    while len(text) - start > _STRETCH:
        latest = start + _STRETCH
        cuts = (text.rfind(mark, start + _STRETCH // 2, latest) for mark in ("\n#", "\n\n", "\n"))
        end = next((cut + 1 for cut in cuts if cut >= 0), latest)
        yield start, end
        start = end
    yield start, len(text)


_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$", re.MULTILINE)
_FENCED = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Heading:
    start: int
    level: int
    title: str


def _headings(text: str) -> Iterator[_Heading]:
    """The headings outside of code, in order."""
    code = [match.span() for match in _FENCED.finditer(text)]
    for match in _HEADING.finditer(text):
        block = bisect_right(code, (match.start(), len(text))) - 1
        if match[2] and (block < 0 or code[block][1] <= match.start()):
            yield _Heading(match.start(), len(match[1]), match[2])


def _path(before: Sequence[_Heading], header_row: str) -> str:
    path: list[str] = [header_row] if header_row else []
    level = 7
    for heading in reversed(before):
        if heading.level < level:
            path.append(heading.title)
            level = heading.level
        if level == 1:
            break
    return " › ".join(reversed(path))


def _header_row(text: str, start: int) -> str:
    """The header cells of the table that a chunk starts in the middle of, else ""."""
    if not text.startswith("|", start):
        return ""
    blank = text.rfind("\n\n", 0, start)
    top = blank + 2 if blank >= 0 else 0
    rows = text[top : min(start, top + 4000)]  # the rule stands near the top, however long it is
    rule = re.search(r"^(\|.*\|)[ \t]*\n\|[ :|-]+\|[ \t]*\n", rows, re.MULTILINE)
    return " | ".join(cell.strip() for cell in rule[1].strip("|").split("|")) if rule else ""


def _glued(
    text: str, pieces: Sequence[tuple[int, int]], is_markdown: bool
) -> Iterator[tuple[int, int]]:
    """Pieces with each that holds only headings made part of the next one."""
    waiting: int | None = None
    last = (0, 0)
    for start, end in pieces:
        if waiting is not None:
            start, waiting = waiting, None
        if is_markdown and not _HEADING.sub("", text[start:end]).strip():
            waiting = start
        else:
            yield start, end
        last = (start, end)
    if waiting is not None:
        yield last
