"""Looking into documents without a ranking: by name, by pattern, by place.

Synchronous; offsets are in characters of ``document.text``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import re2

from chat.errors import Invalid
from chat.models import Document

MAX_MATCHES = 10_000
MAX_PATTERN = 1_000  # characters


@dataclass(frozen=True, slots=True)
class Match:
    """A place where a pattern matched; ``content`` is the match with its context."""

    content: str
    start_char: int  # of the match, without context
    end_char: int


def find(
    index_ids: Sequence[str], file_name: str | None = None, file_name_contains: str | None = None
) -> list[dict[str, str]]:
    """``{file_id, file_name}`` of readable documents, by name; a part is found in any case."""
    documents = Document.objects.readable().filter(index__in=index_ids)
    if file_name is not None:
        documents = documents.filter(name=file_name)
    if file_name_contains:
        documents = documents.filter(name__icontains=file_name_contains)
    rows = documents.order_by("name", "directory_file").values_list("directory_file", "name")
    return [{"file_id": file_id, "file_name": name} for file_id, name in rows]


def grep(document: Document, pattern: str, context_chars: int = 0) -> list[Match]:
    """Matches in order, at most ``MAX_MATCHES``; empty matches are left out.

    RE2 syntax, so time grows with the text alone. Raises Invalid for a pattern it cannot take.
    """
    if len(pattern) > MAX_PATTERN:
        raise Invalid(f"A pattern may have {MAX_PATTERN:,} characters.", "pattern")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as exc:
        raise Invalid(f"The pattern cannot be used: {_reason(exc)}", "pattern") from exc
    text = document.text
    found: list[Match] = []
    for match in compiled.finditer(text):
        start, end = match.span()
        if start < end:
            context = text[max(0, start - context_chars) : end + context_chars]
            found.append(Match(context, start, end))
        if len(found) == MAX_MATCHES:
            break
    return found


def read(document: Document, offset: int = 0, max_length: int | None = None) -> str:
    """The text from an offset on; empty past its end."""
    return document.text[offset : None if max_length is None else offset + max_length]


def _reason(exc: Exception) -> str:
    reason = exc.args[0] if exc.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
