"""The process that opens a PDF for ``leaves``: a question, an open file, and one answer."""

import json
import re
import resource
import sys
from collections.abc import Iterator
from typing import IO, Any

from .pictures import DOTS_PER_INCH, LONGEST_SIDE, QUALITY

MARGIN = 2.0  # points between letters and box
SHORTEST = 12  # letters: fewer would be found anywhere


def answer(question: dict[str, Any], content: IO[bytes]) -> bytes:
    """What the process answers; empty for a page that is not there."""
    import pypdfium2

    document = pypdfium2.PdfDocument(content)
    if not 1 <= question["page"] <= len(document):
        return b""
    page = document[question["page"] - 1]
    if "passages" in question:
        width, height = page.get_size()
        text = page.get_textpage()
        boxes = [list(_boxes(text, height, passage)) for passage in question["passages"]]
        return json.dumps({"width": width, "height": height, "boxes": boxes}).encode()
    scale: Any = min(DOTS_PER_INCH / 72, LONGEST_SIDE / (max(page.get_size()) or 1.0))
    image = page.render(scale=scale).to_pil().convert("RGB")
    image.save(sys.stdout.buffer, "JPEG", quality=QUALITY)
    return b""


def _boxes(text: Any, height: float, passage: str) -> Iterator[tuple[float, float, float, float]]:
    letters, at = _letters(text.get_text_range())
    for sentence in re.split(r"(?<=[.!?])\s+|\n+", passage):
        sought, _ = _letters(sentence)
        found = letters.find(sought) if len(sought) >= SHORTEST else -1
        if found < 0:
            continue
        first, last = at[found], at[found + len(sought) - 1]
        for number in range(text.count_rects(first, last - first + 1)):
            left, bottom, right, top = text.get_rect(number)
            width, tall = right - left + 2 * MARGIN, top - bottom + 2 * MARGIN
            yield left - MARGIN, height - top - MARGIN, width, tall


def _letters(text: str) -> tuple[str, list[int]]:
    """Letters and digits alone, in lower case, and where each stood: line ends, hyphens and
    ligatures of spaces differ between a page and what was read from it."""
    kept = [(char, at) for at, char in enumerate(text) if char.isalnum()]
    lower = [(piece, at) for char, at in kept for piece in char.lower()]
    return "".join(char for char, _ in lower), [at for _, at in lower]


def main() -> None:
    question = json.load(sys.stdin.buffer)
    resource.setrlimit(resource.RLIMIT_AS, (question["memory"], question["memory"]))
    with open(question["file"], "rb") as content:
        sys.stdout.buffer.write(answer(question, content))


if __name__ == "__main__":
    main()
