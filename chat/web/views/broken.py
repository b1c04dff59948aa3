"""What a page says when something broke, or was sent broken."""

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from chat.errors import NO_ROOM, NoRoom, is_full
from chat.web.said import said


def broken(request: HttpRequest) -> HttpResponse:
    """Called while the exception is handled. A full disk is nobody's fault here, and a person can
    do something about it."""
    has_room = not is_full(sys.exc_info()[1])
    template, status = ("500.html", 500) if has_room else ("no_room.html", NoRoom.status)
    # The request alone: what else a page is told, of its reader, may be what broke.
    context = {"request": request, "error": said(NO_ROOM)}
    return HttpResponse(render_to_string(template, context), status=status)


def not_text(request: HttpRequest) -> HttpResponse:
    words = _("What was sent holds characters that are not text. Remove them and send it again.")
    return render(request, "400.html", {"error": words}, status=400)
