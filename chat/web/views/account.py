"""A person's own page: who they are, how the pages look to them, their keys, their browsers and
their data."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from chat.models import APIKey, Preferences, SignIn
from chat.models.sign_ins import SignInQuerySet
from chat.runs.quotas import allowances
from chat.web.export import as_zip
from chat.web.forms import Appearance, NewKey, Password, Profile
from chat.web.people import actor_of, signed_in
from chat.web.sign_ins import name_of


@signed_in
@require_GET
def show(request: HttpRequest) -> HttpResponse:
    return _page(request)


@signed_in
@require_POST
def profile(request: HttpRequest) -> HttpResponse:
    form = Profile(request.POST, instance=actor_of(request).person)
    return _saved(request, "profile", form)


@signed_in
@require_POST
def appearance(request: HttpRequest) -> HttpResponse:
    """Everything about the looks; applied to the very next page, on every device."""
    preferences = request.preferences
    preferences.user = actor_of(request).person
    form = Appearance(request.POST, instance=preferences)
    if form.is_valid() and preferences.language:
        translation.activate(preferences.language)  # the words that say it is saved
    return _saved(request, "appearance", form)


@signed_in
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Light or dark alone, chosen from any page; back to it."""
    if request.POST.get("theme") in Preferences.Theme.values:
        chosen = {"theme": request.POST["theme"]}
        Preferences.objects.update_or_create(user=actor_of(request).person, defaults=chosen)
    back = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return redirect(back if is_ours else "home")


@signed_in
@require_POST
def password(request: HttpRequest) -> HttpResponse:
    """Other browsers are signed out, this one is not."""
    form = Password(actor_of(request).person, request.POST)
    response = _saved(request, "password", form)
    if form.is_valid():
        _others(request).end()
        update_session_auth_hash(request, form.user)
    return response


@signed_in
@require_POST
@never_cache
def new_key(request: HttpRequest) -> HttpResponse:
    """The answer itself shows the secret: it is kept nowhere, so no later page can."""
    actor = actor_of(request)
    form = NewKey(actor, request.POST)
    if not form.is_valid():
        return _page(request, key=form)
    key, secret = form.issue(actor.person)
    return _page(request, issued=key, secret=secret)


@signed_in
@require_POST
def revoke_key(request: HttpRequest, pk: int) -> HttpResponse:
    mine = APIKey.objects.filter(user=actor_of(request).person, revoked_at=None)
    key = get_object_or_404(mine, pk=pk)
    key.revoke()
    messages.success(request, _("“%(name)s” opens nothing any more.") % {"name": key.name})
    return redirect("account")


@signed_in
@require_POST
def end_sign_in(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign another browser out: at once, in its open pages too."""
    one = get_object_or_404(_others(request), pk=pk)
    _others(request).filter(pk=one.pk).end()
    messages.success(request, _("%(name)s is signed out.") % {"name": name_of(one.browser)})
    return redirect("account")


@signed_in
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    _others(request).end()
    messages.success(request, _("All other browsers are signed out."))
    return redirect("account")


@signed_in
@require_GET
async def data(request: HttpRequest) -> StreamingHttpResponse:
    """All sessions of the person, as they read and as programs read them, in one file."""
    files = as_zip(actor_of(request))
    response = StreamingHttpResponse(files, content_type="application/zip")
    response["Content-Disposition"] = 'attachment; filename="carrel.zip"'
    return response


def _others(request: HttpRequest) -> SignInQuerySet:
    """The person's sign-ins but the one that asks."""
    mine = SignIn.objects.of(actor_of(request).person)
    return mine.besides(request.session.session_key)


def _saved(request: HttpRequest, name: str, form: Any) -> HttpResponse:
    if not form.is_valid():
        return _page(request, **{name: form})
    form.save()
    messages.success(request, _("Saved."))
    return redirect("account")


def _page(
    request: HttpRequest, issued: APIKey | None = None, secret: str = "", **bound: forms.BaseForm
) -> HttpResponse:
    """The page; ``bound`` are forms with something wrong in them."""
    actor = actor_of(request)
    keys = APIKey.objects.filter(user=actor.person, revoked_at=None).select_related("project")
    context = {
        "profile": Profile(instance=actor.person),
        "appearance": Appearance(instance=request.preferences),
        "password": Password(actor.person),
        "key": NewKey(actor),
        "keys": keys,
        "sign_ins": _sign_ins(request),
        "allowances": allowances(actor),
        "now": timezone.now(),
        "issued": issued,
        "secret": secret,
    }
    return render(request, "account/account.html", context | bound, status=422 if bound else 200)


def _sign_ins(request: HttpRequest) -> list[SignIn]:
    """The one that asks first; with ``name`` and ``is_this`` on each."""
    mine = list(SignIn.objects.of(actor_of(request).person))
    for one in mine:
        one.name = name_of(one.browser)
        one.is_this = one.session_id == request.session.session_key
    return sorted(mine, key=lambda one: not one.is_this)
