"""What a page says when something broke."""

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import server_error

from chat.errors import NO_ROOM, NoRoom, is_full
from chat.web.said import said


def broken(request: HttpRequest) -> HttpResponse:
    """Called while the exception is handled. A full disk is nobody's fault here, and a person can
    do something about it."""
    if not is_full(sys.exc_info()[1]):
        return server_error(request)
    context = {"error": said(NO_ROOM)}
    htmx = "HX-Request" in request.headers
    template = "chat/_refused.html" if htmx else "no_room.html"
    return render(request, template, context, status=NoRoom.status)
