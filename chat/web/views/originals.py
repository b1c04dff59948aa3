"""The file behind a document: its pages as pictures, and its bytes to take away."""

from collections.abc import AsyncIterator
from itertools import chain

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.template.loader import render_to_string
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, quote_etag
from django.views.decorators.http import require_GET

from chat.errors import UnreadableFile
from chat.models import Document, File, Session
from chat.retrieval.leaves import picture, places
from chat.web.cited import Cited, cited_in
from chat.web.conversation import turn_shown
from chat.web.document import number_of
from chat.web.leaf import passage_on_page, version_of
from chat.web.people import actor_of, signed_in

A_DAY = "private, max-age=86400"  # seconds; the addresses in our pages change with the file
PIECE = 256 * 1024  # bytes


@signed_in
@require_GET
async def page(request: HttpRequest, index_id: str, file_id: str, number: int) -> HttpResponse:
    """A page of a PDF, for whoever may search its index."""
    document = await _document(request, index_id, file_id)
    headers = _kept(document, number)
    if unchanged := get_conditional_response(request, headers["ETag"]):
        return unchanged
    try:
        image = await picture(document.directory_file.file, number)
    except UnreadableFile as error:
        raise Http404 from error
    return HttpResponse(image, content_type="image/jpeg", headers=headers)


@signed_in
@require_GET
async def marks(
    request: HttpRequest, index_id: str, file_id: str, number: int, session_id: str = ""
) -> HttpResponse:
    """Boxes to lay over the page, around the lines of characters ``start`` to ``end``. With a
    session, quieter ones around what else its answer of ``turn`` cites, which lead there."""
    document = await _document(request, index_id, file_id, with_text=True)
    start, end = number_of(request, "start"), number_of(request, "end")
    cited = await sync_to_async(_cited)(request, document, session_id) if session_id else []
    others = [one for one in cited if (one.start, one.end) != (start, end)]
    spans = [(start, end), *((one.start, one.end) for one in others)]
    headers = _kept(document, number, *chain.from_iterable(spans))
    if session_id:  # whose answer may come to cite more, and whose reader may lose it
        headers["Cache-Control"] = "private, no-cache"
    if unchanged := get_conditional_response(request, headers["ETag"]):
        return unchanged
    passages = [passage_on_page(document, *span, number) for span in spans]
    try:
        found = await places(document.directory_file.file, number, passages)
    except UnreadableFile as error:
        raise Http404 from error
    here, *there = found.boxes
    context = {"found": found, "boxes": here, "others": list(zip(others, there, strict=True))}
    svg = render_to_string("chat/marks.svg", context)
    return HttpResponse(svg, content_type="image/svg+xml", headers=headers)


@signed_in
@require_GET
async def original(request: HttpRequest, index_id: str, file_id: str) -> StreamingHttpResponse:
    """The exact bytes, for those who keep the documents; no browser shows them in place."""
    document = await _document(request, index_id, file_id)
    files = File.objects.visible_to(actor_of(request))
    file = await aget_object_or_404(files, pk=document.directory_file.file_id)
    headers = {
        "Content-Disposition": content_disposition_header(True, file.name) or "attachment",
        "Content-Length": str(file.size),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(
        _pieces(file), content_type="application/octet-stream", headers=headers
    )


def _kept(document: Document, *place: int) -> dict[str, str]:
    """Headers that let a browser keep what was drawn, and ask whether it is still so."""
    tag = "-".join([document.sha256[:24], str(document.pk), *map(str, place)])
    return {
        "ETag": quote_etag(tag),
        "Cache-Control": A_DAY,
        "X-Content-Type-Options": "nosniff",
    }


def _cited(request: HttpRequest, document: Document, session_id: str) -> list[Cited]:
    actor = actor_of(request)
    session = get_object_or_404(Session.objects.visible_to(actor), pk=session_id)
    turn = get_object_or_404(session.turns, seq=number_of(request, "turn"))
    return cited_in(document, turn_shown(actor, session, turn))


async def _pieces(file: File) -> AsyncIterator[bytes]:
    with await sync_to_async(file.content.open)("rb") as opened:
        while piece := await sync_to_async(opened.read)(PIECE):
            yield piece


async def _document(
    request: HttpRequest, index_id: str, file_id: str, with_text: bool = False
) -> Document:
    documents = Document.objects.visible_to(actor_of(request)).readable()
    if not with_text:
        documents = documents.defer("text")
    document = await aget_object_or_404(
        documents.select_related("directory_file__file"), index=index_id, directory_file=file_id
    )
    # A page that was opened before the file changed asks for what stood in other places.
    if request.GET.get("v", version_of(document)) != version_of(document):
        raise Http404
    return document
