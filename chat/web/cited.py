"""What an answer cites of a document, where it stands there now."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from chat.events.transcript import Exchange
from chat.models import Document

from .document import place_now
from .reading import Reading
from .sources import place_url


@dataclass(frozen=True, slots=True)
class Cited:
    start: int  # characters
    end: int
    words: str  # that name it
    url: str  # shows it beside the answer


def cited_in(document: Document, reading: Reading) -> list[Cited]:
    """All that the answer cites of the document, in the document's order."""
    index_id, file_id = document.index_id, document.directory_file_id
    found: dict[str, Cited] = {}
    for one in reading.exchange.citations:
        if (one["index_id"], one["file_id"]) != (index_id, file_id):
            continue
        start, end = one["start_char"], one["end_char"]
        passages = passages_around(reading.exchange, index_id, file_id, start)
        place = place_now(document.text, passages[0], start, end) if passages else None
        span = {"start": start, "end": end, "turn": reading.exchange.seq}
        url = place_url(reading.session_id, index_id, file_id, **span)
        if place is not None:
            words = _("Cited: %(name)s") % {"name": reading.sources[one["number"]].full_name}
            found[url] = Cited(*place, words, url)
    return sorted(found.values(), key=lambda one: one.start)


def passages_around(
    exchange: Exchange, index_id: str, file_id: str, start: int
) -> list[dict[str, Any]]:
    """What the turn was given of the document around a character, as the session keeps it."""
    return [
        one
        for use in exchange.tool_uses
        for one in use.passages
        if (one["index_id"], one["file_id"]) == (index_id, file_id)
        and one["start_char"] <= start < one["end_char"]
    ]
