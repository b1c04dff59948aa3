"""A document opened at the place an answer cites."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from chat.events.log import log
from chat.events.transcript import fold
from chat.models import Document, Session
from chat.web.document import Extract, number_of, passage_extract, shown
from chat.web.people import actor_of, signed_in


@signed_in
@require_GET
def show(request: HttpRequest, session_id: str, index_id: str, file_id: str) -> HttpResponse:
    """The document around characters ``start`` to ``end``, with the viewer's own rights.

    Who may read the session but not the index sees the passages it cites, and no more.
    """
    actor = actor_of(request)
    session = get_object_or_404(Session.objects.visible_to(actor), pk=session_id)
    start = number_of(request, "start")
    document = (
        Document.objects.visible_to(actor)
        .readable()
        .select_related("index")
        .filter(index=index_id, directory_file=file_id)
        .first()
    )
    if document is not None:
        context = shown(request, document)
    else:
        context = {"extract": _cited(session, index_id, file_id, start)}
    context |= {"session": session}
    template = "chat/_source.html" if request.htmx else "chat/source.html"
    return render(request, template, context)


def _cited(session: Session, index_id: str, file_id: str, start: int) -> Extract:
    """The passage as the session keeps it: shown to all who may read the session."""
    for exchange in fold(log.history(session.pk)).exchanges:
        numbers = {one["number"] for one in exchange.citations}
        for use in exchange.tool_uses:
            for one in use.passages:
                place = one["index_id"], one["file_id"]
                inside = one["start_char"] <= start < one["end_char"]
                if one["number"] in numbers and place == (index_id, file_id) and inside:
                    return passage_extract(one)
    raise Http404
