"""Who asks: every page but the sign-in needs somebody."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest

from chat.models import Actor

View = TypeVar("View", bound=Callable[..., Any])


def signed_in(view: View) -> View:
    """Django's ``login_required``, which takes async views too but does not say so."""
    return cast(View, login_required(cast(Any, view)))


def actor_of(request: HttpRequest) -> Actor:
    """For views that are ``signed_in``."""
    return Actor(cast(AbstractUser, request.user))


async def aactor_of(request: HttpRequest) -> Actor:
    return Actor(cast(AbstractUser, await request.auser()))
