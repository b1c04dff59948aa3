"""What an answer points at, as the page names it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from chat.events.transcript import Exchange


@dataclass(frozen=True, slots=True)
class Source:
    """A numbered place in a document, and the address that shows it."""

    number: int
    file_id: str
    file_name: str
    page: int | None
    heading: str  # the innermost one above the passage, or ""
    url: str

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
    passages = {one["number"]: one for use in exchange.tool_uses for one in use.passages}
    cited = {
        one["number"]: {**passages.get(one["number"], {}), **one} for one in exchange.citations
    }
    known = cited if exchange.stop else passages | cited
    return {number: _source(one, session_id) for number, one in known.items()}


def _source(place: Mapping[str, Any], session_id: str) -> Source:
    path = reverse("source", args=[session_id, place["index_id"], place["file_id"]])
    span = {"start": place["start_char"], "end": place["end_char"]}
    return Source(
        number=place["number"],
        file_id=place["file_id"],
        file_name=place["file_name"],
        page=place.get("page"),
        heading=(place.get("heading") or "").rpartition("›")[2].strip(),
        url=f"{path}?{urlencode(span)}#passage",
    )
