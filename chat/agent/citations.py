"""From ``[n]`` in an answer to the place in a document that it points at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MARKER = re.compile(r"\[(\d{1,4}(?:\s*,\s*\d{1,4})*)\]")
_WORD = re.compile(r"[^\W_]+")
_CLAIM_ENDS = re.compile(r"(?<=[.!?。])\s+|\n+")
NEAR = 0.5  # share of a claim's longer words that its passage must hold

Check = Literal["exact", "near", "none"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A numbered span of a document that was put before the model."""

    number: int
    index_id: str
    file_id: str
    file_name: str
    page: int | None
    start_char: int
    end_char: int
    text: str


def resolve(answer: str, shown: Mapping[int, Shown]) -> tuple[dict[str, Any], ...]:
    """The citations of an answer, one a number, in the order of their first use.

    A number that was never shown gets none. ``check`` is the weakest over all claims that cite
    the number, by text alone: ``exact`` when the claim's words stand in the passage in a row,
    ``near`` when most of its longer words do, else ``none``.
    """
    checks: dict[int, Check] = {}
    for claim, numbers in claims(answer):
        for number in numbers:
            if number in shown:
                check = compare(claim, shown[number].text)
                checks[number] = max(checks.get(number, "exact"), check, key=_weakness)
    return tuple(_citation(shown[number], check) for number, check in checks.items())


def claims(answer: str) -> list[tuple[str, list[int]]]:
    """Each cited statement without its markers, and the numbers it cites."""
    found = []
    start = 0
    for run in re.finditer(rf"(?:{MARKER.pattern}\s*)+", answer):
        before = answer[start : run.start()].strip()
        pieces = [piece for piece in _CLAIM_ENDS.split(before) if _WORD.search(piece)]
        numbers = [int(n) for group in MARKER.findall(run[0]) for n in group.split(",")]
        if pieces:
            found.append((pieces[-1], numbers))
        elif found:  # markers with nothing between them: the same claim cites more
            found.append((found[-1][0], numbers))
        start = run.end()
    return found


def compare(claim: str, passage: str) -> Check:
    """How far a passage bears out a claim, judged by its words."""
    said, source = _words(claim), _words(passage)
    if not said:
        return "none"
    if f" {' '.join(said)} " in f" {' '.join(source)} ":
        return "exact"
    weighty = {word for word in said if len(word) > 3 or word.isdigit()} or set(said)
    held = weighty & set(source)
    numbers = {word for word in weighty if any(map(str.isdigit, word))}
    near = len(held) >= NEAR * len(weighty) and numbers <= held
    return "near" if near else "none"


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _weakness(check: Check) -> int:
    return ("exact", "near", "none").index(check)


def _citation(shown: Shown, check: Check) -> dict[str, Any]:
    return {
        "number": shown.number,
        "index_id": shown.index_id,
        "file_id": shown.file_id,
        "file_name": shown.file_name,
        "page": shown.page,
        "start_char": shown.start_char,
        "end_char": shown.end_char,
        "check": check,
    }
