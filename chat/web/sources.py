"""What an answer points at, as the page names it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from chat.events.transcript import Exchange


@dataclass(frozen=True, slots=True)
class Mention:
    """What one marker in an answer points at: the sentences it quotes, or else the passage."""

    url: str
    check: str = ""  # exact, near or none; "" where nothing was compared yet


@dataclass(frozen=True, slots=True)
class Source:
    """A numbered place in a document, and the address that shows it."""

    number: int
    file_id: str
    file_name: str
    page: int | None
    heading: str  # the innermost one above the passage, or ""
    url: str  # of its first mention
    mentions: tuple[Mention, ...] = ()  # as they read, once the answer is whole
    index_id: str = ""

    def mention(self, at: int) -> Mention:
        return self.mentions[at] if at < len(self.mentions) else Mention(self.url)

    @property
    def name(self) -> str:
        """The file's name without folders and extension."""
        path = PurePosixPath(self.file_name)
        return path.stem or path.name

    @property
    def place(self) -> str:
        """Where in the file: the page, else the heading, else the name once more."""
        if self.page is not None:
            return _("p. %(page)d") % {"page": self.page}
        return self.heading or self.name

    @property
    def label(self) -> str:
        return f"{self.name} {self.place}" if self.page is not None else self.name

    @property
    def full_name(self) -> str:
        if self.place in (self.name, ""):
            return self.file_name
        return f"{self.file_name} · {self.place}"


def sources_of(exchange: Exchange, session_id: str) -> dict[int, Source]:
    """Sources by number: those cited once the turn is over, before that all it has found."""
    passages, beside = passages_of(exchange), (session_id, exchange.seq)
    if not exchange.stop:
        return {number: _source([one], *beside) for number, one in passages.items()}
    cited: dict[int, list[Mapping[str, Any]]] = {}
    for one in exchange.citations:
        cited.setdefault(one["number"], []).append(one)
    return {
        number: _source([{**passages.get(number, {}), **one} for one in mentions], *beside)
        for number, mentions in cited.items()
    }


def source_of(passage: Mapping[str, Any], exchange: Exchange, session_id: str) -> Source:
    """A passage that was found in the exchange, whether or not it is cited."""
    return _source([passage], session_id, exchange.seq)


def place_url(session_id: str, index_id: str, file_id: str, **span: int) -> str:
    """Of ``start`` to ``end`` in a document, beside the answer of the turn with seq ``turn``."""
    path = reverse("source", args=[session_id, index_id, file_id])
    return f"{path}?{urlencode(span)}#passage"


def passages_of(exchange: Exchange) -> dict[int, Mapping[str, Any]]:
    """All that the search brought, by number, best first."""
    return {one["number"]: one for use in exchange.tool_uses for one in use.passages}


def _source(places: Sequence[Mapping[str, Any]], session_id: str, turn: int) -> Source:
    first = places[0]
    mentions = [Mention(_url(place, session_id, turn), place.get("check", "")) for place in places]
    return Source(
        number=first["number"],
        file_id=first["file_id"],
        file_name=first["file_name"],
        page=first.get("page"),
        heading=(first.get("heading") or "").rpartition("›")[2].strip(),
        url=mentions[0].url,
        mentions=tuple(mentions),
        index_id=first["index_id"],
    )


def _url(place: Mapping[str, Any], session_id: str, turn: int) -> str:
    span = {"start": place["start_char"], "end": place["end_char"], "turn": turn}
    return place_url(session_id, place["index_id"], place["file_id"], **span)
