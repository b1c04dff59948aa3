"""From ``[n]`` in an answer to the place in a document that it points at."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from chat.events.transcript import Exchange
from chat.providers.words import sentences

MARKER = re.compile(r"(?<!\\)\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\](?!\()")
_CODE = re.compile(
    r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1|\Z)|(?<!`)(`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)\2(?!`)",
    re.M | re.S,
)
_WORD = re.compile(r"[^\W_]+")
_ORDINAL = re.compile(r"^\s*\d{1,3}[.)]\s", re.M)  # a list's numbers are no part of what it says
_SAYS_LITTLE = 3  # words: with fewer before it, a marker is about what follows too
NEAR = 0.5  # share of a claim's longer words that its passage must hold

Check = Literal["exact", "near", "none"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A numbered span of a document that was put before the model."""

    number: int
    index_id: str
    file_id: str
    file_name: str
    page: int | None  # that it begins on
    start_char: int
    end_char: int
    text: str
    page_starts: Sequence[int] = ()  # of the document, where the span goes over a page's end

    def page_at(self, offset: int) -> int | None:
        """The page on which a place in the span lies; its first one where no more is known."""
        return bisect_right(self.page_starts, offset) or self.page


def resolve(answer: str, shown: Mapping[int, Shown]) -> tuple[dict[str, Any], ...]:
    """The citations of an answer, one for each number of each marker, as they read.

    The second ``[3]`` of a text is thus the second citation numbered 3. A number that was never
    shown gets none. ``check`` compares the claim with the passage by text alone: ``exact`` when its
    words stand there in a row, and then the span is that of the sentences quoted; ``near`` when
    most of its longer words do, else ``none``.
    """
    return tuple(
        _citation(shown[number], claim)
        for claim in claims(answer)
        for number in claim.numbers
        if number in shown
    )


def resolve_in(exchange: Exchange, answer: str) -> tuple[dict[str, Any], ...]:
    """As ``resolve``, for a turn of which only the events are left."""
    fields = ("number", "index_id", "file_id", "file_name", "page", "start_char", "end_char")
    passages = [passage for use in exchange.tool_uses for passage in use.passages]
    shown = {
        passage["number"]: Shown(*(passage[name] for name in fields), text=passage["content"])
        for passage in passages
    }
    return resolve(answer, shown)


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement and the numbers it cites; ``before``: the sentences that lead up to it."""

    text: str
    numbers: tuple[int, ...]
    before: tuple[str, ...] = ()  # back to the marker before


def claims(answer: str) -> list[Claim]:
    """Each run of markers with what it vouches for: the sentence it ends, or stands in."""
    readable = _CODE.sub(lambda code: " " * len(code[0]), answer)  # x[1] in code cites nothing
    runs = list(re.finditer(rf"(?:{MARKER.pattern}\s*)+", readable))
    found: list[Claim] = []
    start = 0
    for run, following in zip_longest(runs, runs[1:]):
        numbers = tuple(
            int(n) for group in MARKER.findall(run[0]) for n in re.findall(r"\d+", group)
        )
        *before, text = _sentences(answer[start : run.start()]) or [""]
        if found and not text:  # nothing between two markers: the same claim cites more
            before, text = found[-1].before, found[-1].text
        elif len(_WORD.findall(text)) < _SAYS_LITTLE:  # "As [2] has it, the lamps are green."
            after = answer[run.end() : following.start() if following else None]
            text = " ".join([text, *_sentences(after)[:1]]).strip()
        found.append(Claim(text, numbers, tuple(before)))
        start = run.end()
    return found


def compare(claim: str, passage: str) -> Check:
    """How far a passage bears out a claim, judged by its words."""
    said, source = _words(claim), _words(passage)
    if not said:
        return "none"
    if _in_a_row(said, source) is not None:
        return "exact"
    weighty = {word for word in said if len(word) > 3 or word.isdigit()} or set(said)
    held = weighty & set(source)
    numbers = {word for word in weighty if any(map(str.isdigit, word))}
    near = len(held) >= NEAR * len(weighty) and numbers <= held
    return "near" if near else "none"


def quoted_span(claim: Claim, passage: str) -> tuple[int, int] | None:
    """The whole sentences of a passage that a claim, and what leads up to it, quote; else None."""
    words = _places(passage)
    source = [word[0].lower() for word in words]
    said = _words(claim.text)
    at = _in_a_row(said, source)
    if at is None or not said:
        return None
    for sentence in reversed(claim.before):
        longer = _words(sentence) + said
        earlier = _in_a_row(longer, source)
        if earlier is None:
            break
        said, at = longer, earlier
    start, end = words[at].start(), words[at + len(said) - 1].end()
    touched = [span for span in sentences(passage) if span[0] < end and start < span[1]]
    return touched[0][0], touched[-1][1]


def _in_a_row(said: Sequence[str], source: Sequence[str]) -> int | None:
    """At which word of the source those said begin, all next to each other."""
    text, sought = f" {' '.join(source)} ", f" {' '.join(said)} "
    at = text.find(sought)
    return text.count(" ", 0, at) if at >= 0 else None


def _sentences(text: str) -> list[str]:
    pieces = (text[start:end] for start, end in sentences(text))
    return [piece for piece in pieces if _WORD.search(piece)]


def _words(text: str) -> list[str]:
    return [word[0].lower() for word in _places(text)]


def _places(text: str) -> list[re.Match[str]]:
    return list(_WORD.finditer(_ORDINAL.sub(lambda ordinal: " " * len(ordinal[0]), text)))


def _citation(shown: Shown, claim: Claim) -> dict[str, Any]:
    check = compare(claim.text, shown.text)
    start, end = shown.start_char, shown.end_char
    # What grep shows is more than the span it is known by; its places cannot be told.
    if len(shown.text) == end - start and (span := quoted_span(claim, shown.text)):
        start, end = shown.start_char + span[0], shown.start_char + span[1]
    return {
        "number": shown.number,
        "index_id": shown.index_id,
        "file_id": shown.file_id,
        "file_name": shown.file_name,
        "page": shown.page_at(start),
        "start_char": start,
        "end_char": end,
        "check": check,
    }
