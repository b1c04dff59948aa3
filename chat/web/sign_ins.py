"""When a browser was last used, and what it is called."""

from collections.abc import Sequence
from time import monotonic
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.utils.translation import gettext as _

from chat.models import SignIn

FRESH = 300.0  # seconds until it is written down again that a browser is in use
REMEMBERED = 10_000  # browsers, about a megabyte
BROWSERS = [  # what a User-Agent holds, the more telling first
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet")),
    *(("Firefox/", "Firefox"), ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome/", "Chrome")),
    *(("Safari/", "Safari"), ("curl/", "curl")),
]
SYSTEMS = [
    *(("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows")),
    *(("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
]

_noted: dict[str, float] = {}  # by key of the browser session: when


def is_due(request: HttpRequest) -> bool:
    key = request.session.session_key
    return bool(key) and monotonic() - _noted.get(key, -FRESH) >= FRESH


def note_use(request: HttpRequest, user_id: int) -> None:
    """The person uses this browser now. Most requests know that it was said lately."""
    if (key := request.session.session_key) is None:
        return
    if len(_noted) >= REMEMBERED:
        _noted.clear()
    _noted[key] = monotonic()
    SignIn.note(key, user_id, request.META.get("HTTP_USER_AGENT", ""))


def watch() -> None:
    """Note every sign-in, by whichever door."""
    user_logged_in.connect(_signed_in, dispatch_uid="note_sign_in")


def _signed_in(request: HttpRequest, user: AbstractUser, **_rest: Any) -> None:
    note_use(request, user.pk)


def name_of(user_agent: str) -> str:
    """As much as a User-Agent tells: Firefox on Linux."""
    browser, system = _first(user_agent, BROWSERS), _first(user_agent, SYSTEMS)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Some browser")


def _first(text: str, names: Sequence[tuple[str, str]]) -> str:
    return next((name for sign, name in names if sign in text), "")
