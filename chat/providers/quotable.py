"""What of a passage can be quoted, and what has to be quoted along with it. Pure functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chat.providers.words import sentences

Kind = Literal["prose", "item", "row", "code", "heading", "other"]

_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("code", re.compile(r"```|~~~")),
    ("heading", re.compile(r"#{1,6}\s")),
    ("row", re.compile(r"\|")),
    ("other", re.compile(r"\[[^\]]+\]:\s|[-*_=\s]{3,}$|!\[[^\]]*\]\([^)]*\)$|<[^>]+>$")),
    ("item", re.compile(r"(?:[-*+•▪‣]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s")),
)
_RULE = re.compile(r"[|:\-\s]+$")  # the line between a table's header and its body
_LEANS = re.compile(  # a sentence that says who it speaks of in the one before
    r"(it|its|they|their|this|these|those|that|he|his|she|her|such|there|then|also|however|er|sie"
    r"|es|dies\w*|dabei|dazu|damit)\b",
    re.IGNORECASE,
)
_ENDS = re.compile(r"""[.!?:;…。！？]["'”’»)\]*_`]*(\[\d+\])*$""")
_LINK = re.compile(r"\[[^\]]*\]\([^)]*\)")
_CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_PAIRS = ("**", "__", "~~", "`")


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, list item, table row, block of code or heading: ``text[start:end]``."""

    start: int
    end: int
    kind: Kind
    text: str
    headings: str  # those over it, outermost first


@dataclass(frozen=True, slots=True)
class Span:
    """Units ``first`` to ``last``, both quoted."""

    first: int
    last: int


def units(text: str, heading: str = "") -> list[Unit]:
    """All units of a passage in reading order; ``heading`` is the path it stands under."""
    found: list[Unit] = []
    path = dict(enumerate(heading.split(" › "), start=1))
    for start, end in sentences(text):
        piece = text[start:end]
        kind = _kind(piece)
        if kind == "heading":
            level, title = len(piece) - len(piece.lstrip("#")), piece.strip("# ")
            # The path may begin at any level, and a passage with the last heading of its path.
            path = {n: above for n, above in path.items() if n < level and above != title}
            path[level] = title
        found.append(Unit(start, end, kind, piece, " ".join(path.values())))
    return found


def _kind(piece: str) -> Kind:
    for kind, pattern in _KINDS:
        if pattern.match(piece):
            return kind
    return "prose"


def can_answer(all_units: Sequence[Unit], at: int) -> bool:
    """Whether a unit says something by itself: no heading, no menu, nothing cut in two."""
    unit = all_units[at]
    match unit.kind:
        case "code":  # after a sentence it is quoted with that
            leads = at > 0 and all_units[at - 1].kind == "prose"
            return not leads and _is_closed(unit)
        case "row":
            header = at + 1 < len(all_units) and bool(_RULE.match(all_units[at + 1].text))
            return not header and not _RULE.match(unit.text) and _header(all_units, at) is not None
        case "item":
            return len(unit.text.split()) > 2 and is_balanced(unit.text)
        case "prose":
            cut = at == 0 and unit.text[0].islower()
            cut = cut or (at == len(all_units) - 1 and not _ENDS.search(unit.text))
            return not cut and not _is_menu(unit.text)
    return False


def _is_closed(code: Unit) -> bool:
    return code.text.count(code.text[:3]) % 2 == 0


def _is_menu(text: str) -> bool:
    if len(text.split()) < 4 and not _ENDS.search(text):
        return True
    links = sum(len(link) for link in _LINK.findall(text))
    return links > 0.7 * len(text) or text.count(" | ") > 1 or text.count(" › ") > 1


@dataclass(frozen=True, slots=True)
class Wants:
    """What a question would like to see along with a sentence that answers it."""

    code: bool = False  # and steps: it asks how to do something
    lists: bool = False  # it asks for several things


def span_of(all_units: Sequence[Unit], at: int, wants: Wants) -> Span | None:
    """What to quote for the unit at that place, so that it can be understood by itself.

    A block of code belongs to the sentence before it, a list to the sentence that announces it,
    "It was built in 1889." to what "it" is. None if it cannot be quoted without breaking Markdown.
    """
    first = last = at
    kind = all_units[at].kind
    if kind == "item" and (wants.code or all_units[at].text[0].isdigit()):
        first, last = _run(all_units, at)
    if kind in ("item", "row") and first and _announces(all_units[first - 1]):
        first, last = first - 1, last if kind != "item" else _run(all_units, at)[1]
    if kind == "prose":
        last = _with_block(all_units, at, wants)
        if at and _LEANS.match(all_units[at].text) and all_units[at - 1].kind == "prose":
            first = at - 1
    return _balanced(all_units, Span(first, last))


def _announces(unit: Unit) -> bool:
    return unit.kind == "prose" and unit.text.endswith(":")


def _with_block(all_units: Sequence[Unit], at: int, wants: Wants) -> int:
    """The last unit of the code, list or table that the sentence at that place leads to."""
    following = all_units[at + 1].kind if at + 1 < len(all_units) else "other"
    announced = _announces(all_units[at])
    if following == "code" and (announced or wants.code):
        return at + 1 if _is_closed(all_units[at + 1]) else at
    if following in ("item", "row") and (announced or wants.lists):
        return _run(all_units, at + 1)[1]
    return at


def _run(all_units: Sequence[Unit], at: int) -> tuple[int, int]:
    """First and last unit of the list or table around that place."""
    kind, first, last = all_units[at].kind, at, at
    while first and all_units[first - 1].kind == kind:
        first -= 1
    while last + 1 < len(all_units) and all_units[last + 1].kind == kind:
        last += 1
    return first, last


def _header(all_units: Sequence[Unit], at: int) -> int | None:
    """Where the header of the table around that place is; None if it was cut off."""
    first, last = _run(all_units, at)
    is_whole = first < last and bool(_RULE.match(all_units[first + 1].text))
    return first if is_whole else None


# Markdown ---------------------------------------------------------------------------------------


def is_balanced(text: str) -> bool:
    """Whether all emphasis, code and links that begin in a text also end in it."""
    prose = _CODE_SPAN.sub("", text)
    return (
        all(prose.count(mark) % 2 == 0 for mark in _PAIRS)
        and prose.count("[") == prose.count("]")
        and prose.count("](") == len(re.findall(r"\]\([^()]*(?:\([^()]*\)[^()]*)*\)", prose))
    )


def _balanced(all_units: Sequence[Unit], span: Span) -> Span | None:
    """The span, or with a sentence more at either side, such that its Markdown is whole."""
    for before, after in ((0, 0), (0, 1), (1, 0), (1, 1)):
        first, last = span.first - before, span.last + after
        if first < 0 or last >= len(all_units):
            continue
        around = [*all_units[first : span.first], *all_units[span.last + 1 : last + 1]]
        prose = " ".join(u.text for u in all_units[first : last + 1] if u.kind != "code")
        if all(unit.kind == "prose" for unit in around) and is_balanced(prose):
            return Span(first, last)
    return None


_MARKER = re.compile(r"\[(?=\d{1,4}(?:\s*[,;]\s*\d{1,4})*\])")


def quote(text: str, all_units: Sequence[Unit], span: Span, number: int) -> str:
    """The span as Markdown, word for word, each of its pieces followed by ``[number]``.

    A number in brackets in the text itself is escaped, or it would pass for a citation.
    """
    pieces: list[str] = []
    start = span.first
    while start <= span.last:
        kind, end = all_units[start].kind, start
        while end < span.last and all_units[end + 1].kind == kind:
            end += 1
        piece = _verbatim(text, all_units, start, end)
        is_cited = bool(pieces) and pieces[-1].endswith(f"[{number}]")
        leads_on = end < span.last and all_units[end + 1].kind == "item"
        if kind in ("code", "row"):
            pieces.append(piece if is_cited else f"{piece}\n\n[{number}]")
        elif kind in ("prose", "item"):
            pieces.append(piece if leads_on else f"{piece} [{number}]")
        start = end + 1
    return "\n\n".join(pieces)


def _verbatim(text: str, all_units: Sequence[Unit], first: int, last: int) -> str:
    piece = text[all_units[first].start : all_units[last].end]
    kind = all_units[first].kind
    if kind == "row" and (header := _header(all_units, first)) is not None and header < first:
        top = text[all_units[header].start : all_units[header + 1].end]
        return f"{top}\n{piece}"
    return piece if kind == "code" else _MARKER.sub(r"\\[", piece)
