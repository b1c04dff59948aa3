"""A document's text as a page can show it: a window of it, the passage marked."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from chat.models import Document, File

from .leaf import Leaf
from .markdown import plain, render, render_document
from .passages import Mark, Marks
from .people import actor_of
from .renderer import link_to

WINDOW = 24_000  # characters rendered at once; about eight printed pages
LEAD = 6_000  # of these, what stands above the passage
TABLE_HEAD = re.compile(r"\|.*\n\|[-:| ]+\|\n")
HEADING = re.compile(r"\s*(#{1,6}[ \t].*|.+\n={2,}[ \t]*)(?:\n|\Z)")
OPENING, CLOSING = mark_safe('<mark id="passage" class="cited">'), mark_safe("</mark>")
PLAIN = {"txt", "log", "json", "xml", "yaml", "yml", "ini", "toml"}


@dataclass(frozen=True, slots=True)
class Extract:
    """A readable part of a document."""

    title: str
    name: str
    html: SafeString
    page: int | None = None  # on which the passage begins
    earlier: int | None = None  # offset of the window above, None at the beginning
    later: int | None = None  # ... below, None at the end
    is_passage_only: bool = False
    has_changed: bool = False  # its document has: the passage is not in it any more

    @classmethod
    def of(
        cls, document: Document, start: int, end: int, begin: int = -1, marks: Marks | None = None
    ) -> "Extract":
        """The window around the passage, or the one from ``begin`` on if that is not negative."""
        text = document.text
        start, end = min(start, len(text)), min(end, len(text))
        first = _block_start(text, max(0, start - LEAD) if begin < 0 else min(begin, len(text)))
        last = _block_start(text, min(len(text), max(first + WINDOW, end if begin < 0 else 0)))
        if last <= first:
            last = len(text)
        title = document.title or document.name
        top = first or _after_title(document.name, text[:last], title, end)
        inside = max(start, top), min(end, last)
        head = _table_head(text, top)
        above = top - len(head)
        shown = (inside[0] - above, inside[1] - above) if inside[0] < inside[1] else (0, 0)
        beside = marks(top, last) if marks else ()
        beside = [replace(one, start=one.start - above) for one in beside]
        return cls(
            title=title,
            name=document.name,
            html=_html(document.name, head + text[top:last], *shown, beside),
            page=_page(document.page_starts, start) if end > start else None,
            earlier=_block_start(text, max(0, first - WINDOW)) if first else None,
            later=last if last < len(text) else None,
        )


def shown(
    request: HttpRequest,
    document: Document,
    passage: Mapping[str, Any] | None = None,
    marks: Marks | None = None,
    session_id: str = "",
) -> dict[str, Any]:
    """What a template needs to show the document around characters ``start`` to ``end``: a PDF as
    its page, unless ``view=text`` is asked for. ``marks`` stand in the margin of its text; on its
    pages what the answer of ``turn`` cites besides, in the session of that id.

    With the passage that a session keeps of there, its words are shown wherever they stand now, or
    alone if they are gone.
    """
    files = File.objects.visible_to(actor_of(request))
    context = {
        "document": document,
        "may_download": files.filter(directory_files=document.directory_file_id).exists(),
    }
    start, end = number_of(request, "start"), number_of(request, "end")
    if passage is not None:
        place = place_now(document.text, passage, start, end)
        if place is None:
            return {**context, "extract": passage_extract(passage, has_changed=True)}
        start, end = place
    leaf = Leaf.of(document, start, end, request, session_id)
    return {
        **context,
        "extract": Extract.of(document, start, end, number_of(request, "from", -1), marks),
        "leaf": leaf,
        "as_page": leaf is not None and request.GET.get("view") != "text",
    }


def passage_extract(passage: Mapping[str, Any], has_changed: bool = False) -> Extract:
    """One passage alone, from what a session keeps of it."""
    return Extract(
        title=passage["file_name"],
        name=passage["file_name"],
        html=render(passage["content"], {}, "passage"),
        page=passage.get("page"),
        is_passage_only=not has_changed,
        has_changed=has_changed,
    )


def place_now(
    text: str, passage: Mapping[str, Any], start: int, end: int
) -> tuple[int, int] | None:
    """Where those characters of a document stand, which may have changed since; None if nowhere.

    ``passage`` is what a session keeps of it: the words at its offsets or the first of them, or, as
    grep gives it, those with what stands around them.
    """
    content, begins, ends = passage["content"], passage["start_char"], passage["end_char"]
    if len(content) > ends - begins:
        at = text.find(content, max(0, begins - len(content)))
        at = at if at >= 0 else text.find(content)
        before, after = begins - at, at + len(content) - ends
        # As much on both sides as was asked for, but at the ends of the document.
        is_cut = at == 0 if before < after else at + len(content) == len(text)
        if at >= 0 and (before == after or (is_cut and min(before, after) >= 0)):
            return start, end
        return (at, at + len(content)) if at >= 0 else None
    words = content[start - begins : end - begins] or content
    if text.startswith(words, start if words != content else begins):
        return start, end
    if (at := text.find(content)) >= 0:
        return at + start - begins, at + end - begins
    at = text.find(words)
    return (at, at + end - start) if at >= 0 else None


def number_of(request: HttpRequest, name: str, otherwise: int = 0) -> int:
    """A number from the query; anything else, or one out of all proportion, is ``otherwise``."""
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else otherwise


def _block_start(text: str, offset: int) -> int:
    """The beginning of the paragraph that ``offset`` falls in, or of the row of a long table."""
    if offset >= len(text):
        return len(text)
    begins, row = _paragraph_start(text, offset), text.rfind("\n", 0, offset) + 1
    is_long = offset - begins > LEAD and TABLE_HEAD.match(text, begins)
    return row if is_long and text.startswith("|", row) else begins


def _paragraph_start(text: str, offset: int) -> int:
    gap = text.rfind("\n\n", 0, offset)
    return gap + 2 if gap >= 0 else 0


def _table_head(text: str, offset: int) -> str:
    """The names of the columns, if the text from there on begins in the middle of a table."""
    begins = _paragraph_start(text, offset)
    head = (
        TABLE_HEAD.match(text, begins) if begins < offset and text.startswith("|", offset) else None
    )
    return head[0] if head else ""


def _after_title(name: str, text: str, title: str, end: int) -> int:
    """Where the text goes on after a heading that the page has as its own: it is not said twice,
    unless it is all that is cited, up to ``end``."""
    heading = None if _is_plain(name) else HEADING.match(text)
    if heading is None or 0 < end <= heading.end():
        return 0
    words = heading[1].partition("\n")[0].strip("# \t")
    return heading.end() if plain(words).strip() == plain(title).strip() else 0


def _html(name: str, text: str, start: int, end: int, marks: Sequence[Mark]) -> SafeString:
    if not _is_plain(name):
        return render_document(text, start, end, marks)
    # What is put into the text: at one place, what ends comes before what begins.
    put = [(mark.start, 1, link_to(mark)) for mark in marks]
    if end > start:
        put += [(start, 2, OPENING), (end, 0, CLOSING)]
    pieces, done = [], 0
    for at, _rank, html in sorted(put, key=lambda one: one[:2]):
        pieces += [(text[done:at],), (html,)]
        done = at
    return format_html(
        '<pre class="plain">{}</pre>', format_html_join("", "{}", [*pieces, (text[done:],)])
    )


def _is_plain(name: str) -> bool:
    return PurePosixPath(name).suffix.removeprefix(".").lower() in PLAIN


def _page(page_starts: list[int], offset: int) -> int | None:
    return bisect_right(page_starts, offset) or None if page_starts else None
