"""Who asks: every page but the sign-in needs somebody."""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse

from chat.errors import if_there_is_room
from chat.events import news
from chat.models import Actor, Session, Visit
from chat.models.threads import in_thread

View = TypeVar("View", bound=Callable[..., Any])


def signed_in(view: View) -> View:
    """Whoever is not is asked to sign in, and comes back to the page they were on."""

    @wraps(view)
    def direct(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        known = request.user.is_authenticated
        return view(request, *args, **kwargs) if known else ask_to_sign_in(request)

    @wraps(view)
    async def waiting(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        known = await is_signed_in(request)
        return await view(request, *args, **kwargs) if known else ask_to_sign_in(request)

    return cast(View, waiting if iscoroutinefunction(view) else direct)


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """Of a script the page is told where to go: a redirect the browser would follow by itself, and
    show the script the sign-in as if that were the answer."""
    if not request.htmx:
        return redirect_to_login(request.get_full_path())
    there = redirect_to_login(request.htmx.current_url_abs_path or "/").url + "&was=in"
    return HttpResponse(status=401, headers={"HX-Redirect": there})


def actor_of(request: HttpRequest) -> Actor:
    """For views that are ``signed_in``, and those that have asked."""
    return Actor(cast(AbstractUser, request.user))


def _is_signed_in(request: HttpRequest) -> bool:
    return request.user.is_authenticated  # which is found now, for all who ask later


# Not by ``request.auser``: that takes a thread of the request's, kept until the response has ended.
is_signed_in = in_thread(_is_signed_in)


def is_still_signed_in(request: HttpRequest) -> bool:
    """For requests that stay open: whether one with the same cookie would be signed in now."""
    again = HttpRequest()
    again.session = import_module(settings.SESSION_ENGINE).SessionStore(request.session.session_key)
    return get_user(again).is_authenticated


def note_visit(actor: Actor, session: Session) -> None:
    """The actor reads the session: it is not unread any more, on any of their pages."""
    with if_there_is_room():
        if Visit.note(session, actor.person):
            news.visited(session, actor.person.pk)
