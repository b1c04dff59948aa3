"""Every page as its reader has chosen it: the language, the looks, and their time zone. That they
were here is noted."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import cast
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.decorators import sync_and_async_middleware

from chat.models import Preferences
from chat.models.threads import in_thread

from .sign_ins import is_due, note_use

ZONE_COOKIE = "timezone"  # set by the page, from the browser's own; see time-zone.js


@sync_and_async_middleware
def reader(get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable]):
    """Sets ``request.preferences``. Comes after whatever finds out the browser's language."""

    async def waiting(request: HttpRequest) -> HttpResponseBase:
        follow(request, await apreferences(request) if knows_reader(request) else Preferences())
        return await cast(Awaitable[HttpResponseBase], get_response(request))

    def direct(request: HttpRequest) -> HttpResponseBase:
        follow(request, preferences(request) if knows_reader(request) else Preferences())
        return cast(HttpResponseBase, get_response(request))

    return waiting if iscoroutinefunction(get_response) else direct


def knows_reader(request: HttpRequest) -> bool:
    """Operations of the API have no browser session, whatever cookies are sent with them."""
    return hasattr(request, "session") and settings.SESSION_COOKIE_NAME in request.COOKIES


def preferences(request: HttpRequest) -> Preferences:
    person = request.session.get(SESSION_KEY)
    if not person:
        return Preferences()
    if is_due(request):
        note_use(request, int(person))
    return Preferences.objects.filter(user=person).first() or Preferences()


apreferences = in_thread(preferences)


def follow(request: HttpRequest, chosen: Preferences) -> None:
    request.preferences = chosen
    if chosen.language in dict(settings.LANGUAGES):
        translation.activate(chosen.language)
        request.LANGUAGE_CODE = chosen.language
    zone = chosen.time_zone or unquote(request.COOKIES.get(ZONE_COOKIE, ""))
    timezone.activate(zone_named(zone[:64]))


@lru_cache(maxsize=256)
def zone_named(name: str) -> ZoneInfo:
    """The zone; the installation's own for what is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # not a key, a folder of keys, not in the database
        return ZoneInfo(settings.TIME_ZONE)
