"""Who asks: every page but the sign-in needs somebody."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar, cast

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest

from chat.errors import if_there_is_room
from chat.events import news
from chat.models import Actor, Session, Visit

View = TypeVar("View", bound=Callable[..., Any])


def signed_in(view: View) -> View:
    """Django's ``login_required``, which takes async views too but does not say so."""
    return cast(View, login_required(cast(Any, view)))


def actor_of(request: HttpRequest) -> Actor:
    """For views that are ``signed_in``."""
    return Actor(cast(AbstractUser, request.user))


async def aactor_of(request: HttpRequest) -> Actor:
    return Actor(cast(AbstractUser, await request.auser()))


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
