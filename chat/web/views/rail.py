"""The list of sessions: further down, row by row as it changes, and searched."""

import re

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from chat.models import Session
from chat.web.document import number_of
from chat.web.people import actor_of, signed_in
from chat.web.rail import AT_ONCE, MOST, by_age, opened_by, rail_groups, with_signs
from chat.web.search import documents_with, sessions_with, words_of

USABLE_ID = re.compile(r"[\w-]{1,40}", re.ASCII)


@signed_in
@require_GET
def more(request: HttpRequest) -> HttpResponse:
    """The next page of sessions, after the cursor ``?before=``; without it the first, as long as
    the list of ``?rows=`` that it takes the place of."""
    count = min(max(number_of(request, "rows"), AT_ONCE), MOST)
    groups, cursor = rail_groups(actor_of(request), request.GET.get("before", ""), count)
    context = {"groups": groups, "cursor": cursor, "above": request.GET.get("above", "")}
    template = "chat/_rail_groups.html" if request.htmx else "chat/sessions.html"
    return render(request, template, context)


@signed_in
@require_GET
def rows(request: HttpRequest) -> HttpResponse:
    """The rows of the sessions ``?id=…&id=…`` as they are now; those not listed go."""
    actor = actor_of(request)
    asked = [pk for pk in request.GET.getlist("id")[:AT_ONCE] if USABLE_ID.fullmatch(pk)]
    mine = with_signs(Session.objects.owned_by(actor).filter(archived_at=None), actor)
    listed = mine.in_bulk(asked) | opened_by(actor).in_bulk(asked)
    context = {"sessions": listed.values(), "gone": set(asked) - set(listed)}
    return render(request, "chat/_rows.html", context)


@signed_in
@require_GET
def archived(request: HttpRequest) -> HttpResponse:
    """Sessions that were put away, last used first, by pages."""
    mine = Session.objects.owned_by(actor_of(request)).exclude(archived_at=None)
    put_away = with_signs(mine, actor_of(request)).recent()
    page = Paginator(put_away, AT_ONCE).get_page(request.GET.get("page"))
    context = {"groups": by_age(page.object_list), "page": page}
    return render(request, "chat/archive.html", context)


@signed_in
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Sessions by the words in titles, questions and answers, then documents by name."""
    actor = actor_of(request)
    query = request.GET.get("q", "").strip()[:200]
    if not query and request.htmx:
        groups, cursor = rail_groups(actor)
        return render(request, "chat/_rail_groups.html", {"groups": groups, "cursor": cursor})
    words = words_of(query)
    context = {
        "query": query,
        "words": words,
        "sessions": sessions_with(actor, words) if words else [],
        "documents": documents_with(actor, query) if words else [],
    }
    template = "chat/_hits.html" if request.htmx else "chat/search.html"
    return render(request, template, context)
