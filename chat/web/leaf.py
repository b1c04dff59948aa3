"""A PDF's page as a pane shows it: the picture, passages boxed on it, and the ways from here."""

from bisect import bisect_right
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from chat.models import Document


@dataclass(frozen=True, slots=True)
class Leaf:
    number: int  # from 1
    count: int
    picture: str  # URLs, all
    marks: str
    text: str
    here: str
    before: str = ""
    after: str = ""

    @classmethod
    def of(
        cls, document: Document, start: int, end: int, request: HttpRequest, session_id: str = ""
    ) -> "Leaf | None":
        """The page asked for, else the one where the passage begins; None for what has none.

        ``start`` and ``end`` are where it stands now; the ways from here keep what was asked for.
        With a session, what its answer of ``turn`` cites besides is boxed, too.
        """
        starts = document.page_starts
        if not starts or not document.name.lower().endswith(".pdf"):
            return None
        asked = request.GET.get("page", "")
        number = int(asked) if asked.isdecimal() and len(asked) < 7 else bisect_right(starts, start)
        number = min(max(number, 1), len(starts))
        place = [document.index_id, document.directory_file_id, number]
        boxed = {"start": start, "end": end, "v": version_of(document)}
        if session_id:
            boxes = reverse("cited_marks", args=[session_id, *place])
            boxed["turn"] = request.GET["turn"]
        else:
            boxes = reverse("page_marks", args=place)
        names = ("start", "end", "turn", "tab")
        kept = {name: request.GET[name] for name in names if name in request.GET}

        def turned(page: int) -> str:
            return f"?{urlencode(kept | {'page': page})}"

        return cls(
            number=number,
            count=len(starts),
            picture=f"{reverse('page_picture', args=place)}?v={version_of(document)}",
            marks=f"{boxes}?{urlencode(boxed)}" if session_id or end > start else "",
            text=f"?{urlencode(kept | {'view': 'text'})}#passage",
            here=turned(number),
            before=turned(number - 1) if number > 1 else "",
            after=turned(number + 1) if number < len(starts) else "",
        )

    def span_in(self, document: Document) -> tuple[int, int]:
        """What of the document's text stands on the page."""
        starts = [*document.page_starts, len(document.text)]
        return starts[self.number - 1], starts[self.number]


def version_of(document: Document) -> str:
    """What tells a file's content from what it was before, in the addresses of its pages."""
    return document.sha256[:12]


def passage_on_page(document: Document, start: int, end: int, page: int) -> str:
    """What of the passage stands on that page."""
    starts = [*document.page_starts, len(document.text)]
    if not 1 <= page < len(starts):
        return ""
    return document.text[max(start, starts[page - 1]) : min(end, starts[page])]
