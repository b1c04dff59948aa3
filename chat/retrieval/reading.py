"""Looking into documents without ranking: find, grep, read. Synchronous, from any thread."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import re2

from chat.errors import Invalid
from chat.models import Document

MAX_MATCHES = 10_000
_MAX_STEPS = 1_000_000  # matches looked at, empty ones included
_PATTERN_MEMORY = 8 * 2**20  # bytes a compiled pattern may take


@dataclass(frozen=True, slots=True)
class Match:
    """A place where a pattern matched; offsets in characters of the document's text."""

    start_char: int
    end_char: int

    def within(self, text: str, context_chars: int) -> str:
        """The match with its context."""
        return text[max(0, self.start_char - context_chars) : self.end_char + context_chars]


def find(
    index_ids: Sequence[str],
    file_name: str | None = None,
    file_name_contains: str | None = None,
) -> list[dict[str, str]]:
    """The readable files of those indexes as ``{file_id, file_name}``, by name.

    ``file_name`` is exact; ``file_name_contains`` is literal and case does not matter.
    """
    documents = Document.objects.readable().filter(index__in=index_ids)
    if file_name is not None:
        documents = documents.filter(name=file_name)
    rows = documents.order_by("name", "pk").values_list("directory_file_id", "name")
    # Compared here: SQLite folds the case of ASCII letters only.
    part = (file_name_contains or "").casefold()
    return [
        {"file_id": file_id, "file_name": name} for file_id, name in rows if part in name.casefold()
    ]


def grep(document: Document, pattern: str) -> list[Match]:
    """Every match of a regular expression (RE2 syntax, ``^`` and ``$`` at lines), in order.

    Takes time linear in the text whatever the pattern. Empty matches do not count, and no more
    than ``MAX_MATCHES`` are given. Raises ``Invalid`` for a pattern that is broken or too large.
    """
    spans = _spans(_compile(pattern), document.text)
    return [Match(start, end) for start, end in islice(spans, MAX_MATCHES)]


def _compile(pattern: str):
    options = re2.Options()
    options.max_mem = _PATTERN_MEMORY
    options.log_errors = False
    try:
        return re2.compile("(?m)" + pattern, options=options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace")
        raise Invalid(f"The pattern cannot be used: {reason}.", "pattern") from error
    except UnicodeEncodeError as error:
        raise Invalid(
            "The pattern cannot be used: it holds half a character.", "pattern"
        ) from error


def _spans(expression, text: str) -> Iterator[tuple[int, int]]:
    for match in islice(expression.finditer(text), _MAX_STEPS):
        start, end = match.span()
        if start < end:
            yield start, end


def read(document: Document, offset: int = 0, max_length: int | None = None) -> str:
    """The text from a character on, to its end or at most that many; "" past the end."""
    return document.text[offset:][:max_length]
