"""A document opened at the place an answer cites."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from chat.events.log import log
from chat.events.transcript import Exchange, fold
from chat.models import Document, Session
from chat.web.card import Card
from chat.web.cited import Cited, cited_in, passages_around
from chat.web.conversation import turn_shown
from chat.web.document import Extract, number_of, passage_extract, shown
from chat.web.passages import Mark, Marks
from chat.web.people import actor_of, signed_in
from chat.web.reading import Reading
from chat.web.sources import Source, place_url, source_of


@dataclass(frozen=True, slots=True)
class Tab:
    """The passages of one answer that were cited, or those that were only found."""

    name: str  # cited or found
    places: list[tuple[Source, bool]]  # True for the one that is shown
    is_open: bool


@signed_in
@require_GET
def show(request: HttpRequest, session_id: str, index_id: str, file_id: str) -> HttpResponse:
    """The document around characters ``start`` to ``end``, with the viewer's own rights.

    Who may read the session but not the index sees the passages it cites, and no more. With
    ``view=card`` it is the passage alone, whoever looks.
    """
    actor = actor_of(request)
    session = get_object_or_404(Session.objects.visible_to(actor), pk=session_id)
    span = {name: number_of(request, name) for name in ("start", "end", "turn")}
    turn = session.turns.filter(seq=span["turn"]).first()
    reading = turn and turn_shown(actor, session, turn)
    place = (index_id, file_id, span["start"])
    passages = passages_around(reading.exchange, *place) if reading else []
    whole = [one for one in passages if span["end"] <= one["end_char"]]
    documents = (
        Document.objects.visible_to(actor).readable().filter(index=index_id, directory_file=file_id)
    )
    if request.GET.get("view") == "card":
        if reading is None:
            raise Http404
        title = documents.values_list("title", flat=True).first()
        return _card(request, reading, whole, title or "", span)
    document = documents.select_related("index").first()
    here = place_url(session.pk, index_id, file_id, **span)
    if document is not None:
        cited = cited_in(document, reading) if reading else []
        beside = session.pk if cited else ""
        passage = next(iter(whole), None)
        context = shown(request, document, passage, _marks(cited, here), beside)
    else:
        # A turn on another branch than the one the session reads on by is in no history of it.
        told = [reading.exchange] if reading else fold(log.history(session.pk)).exchanges
        context = {"extract": _cited(told, *place)}
    context |= {"session": session, "tabs": _tabs(request, reading, here) if reading else []}
    template = "chat/_source.html" if request.htmx else "chat/source.html"
    return render(request, template, context)


def _card(
    request: HttpRequest,
    reading: Reading,
    passages: list[dict[str, Any]],
    title: str,
    span: dict[str, int],
) -> HttpResponse:
    """Of the first of the passages that is open to the reader; ``title``: "" if theirs is not."""
    passage = next(filter(reading.trace.is_open, passages), None)
    if passage is None:
        raise Http404
    number, begins = passage["number"], span["start"]
    mentions = (
        one
        for one in reading.exchange.citations
        if (one["number"], one["start_char"]) == (number, begins)
    )
    place = {**passage, **next(mentions, {})}  # a passage may go over a page's end
    source = source_of(place, reading.exchange, reading.session_id)
    card = Card.of(passage, source, title or source.file_name, span["start"], span["end"])
    context = {"card": card, "question": reading.exchange.question}
    return render(request, "chat/_card.html", context)


def _tabs(request: HttpRequest, reading: Reading, here: str) -> list[Tab]:
    """What else the answer cites, and what it was shown besides; ``here`` is the place shown."""
    # Passages of one place are listed as one, and each of them is shown there.
    is_there = {
        (one.file_id, one.place)
        for one in reading.sources.values()
        if any(mention.url == here for mention in one.mentions)
    }
    cited = [(one, (one.file_id, one.place) in is_there) for one in reading.cited]
    also = [(one, one.url == here) for one in reading.also_found]
    if not also:
        return [Tab("cited", cited, True)]
    chosen = request.GET.get("tab") or ("found" if any(is_here for _, is_here in also) else "")
    return [
        Tab("cited", cited, chosen != "found"),
        Tab("found", also, chosen == "found"),
    ]


def _marks(cited: list[Cited], here: str) -> Marks:
    marks = [Mark(one.start, "•", one.words, one.url, one.url == here) for one in cited]
    return lambda first, last: [one for one in marks if first <= one.start < last]


def _cited(exchanges: list[Exchange], index_id: str, file_id: str, start: int) -> Extract:
    """The passage as the session keeps it: shown to all who may read the session."""
    for exchange in exchanges:
        numbers = {one["number"] for one in exchange.citations}
        for one in passages_around(exchange, index_id, file_id, start):
            if one["number"] in numbers:
                return passage_extract(one)
    raise Http404
