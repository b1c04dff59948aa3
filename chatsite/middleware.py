"""Django's own middleware, spared the threads it does not need.

Under ASGI Django does every ``process_request`` and ``process_response`` in a thread of the
request's, in case it blocks: fifteen changes of thread that look at headers, longer than all else a
short request does. Here they are done where they are, and only what must wait for the database
is moved. WhiteNoise knows no ASGI at all: as a middleware it would put the whole request into a
thread.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.gzip import GZipMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin
from whitenoise.middleware import WhiteNoiseMiddleware

from chat.api.auth import OPERATIONS
from chat.api.errors import no_such_route
from chat.web.views.broken import not_text


class OnLoop:
    """Mixed into a ``MiddlewareMixin`` whose steps do not block."""

    async def __acall__(self: Any, request: HttpRequest) -> HttpResponseBase:
        response = None
        if hasattr(self, "process_request"):
            response = self.process_request(request)
        response = response or await self.get_response(request)
        if not hasattr(self, "process_response"):
            return response
        if self.must_wait(request):
            return await sync_to_async(self.process_response)(request, response)
        return self.process_response(request, response)

    def must_wait(self, request: HttpRequest) -> bool:
        """Whether this request's ``process_response`` reads or writes the database."""
        return False


class ViewOnLoop(OnLoop):
    """Mixed into one whose ``process_view`` blocks only where it reads a form."""

    def __init__(self: Any, get_response: Callable[[HttpRequest], Any]):
        super().__init__(get_response)  # type: ignore[call-arg]
        if self.async_mode:
            self.process_view = self.look_at_view

    async def look_at_view(self: Any, request: HttpRequest, view: Any, *arguments: Any) -> Any:
        """``process_view``, in a thread only when there may be a form to read."""
        look = partial(type(self).process_view, self, request, view, *arguments)
        if getattr(view, "csrf_exempt", False) or request.method in ("GET", "HEAD"):
            return look()
        return await sync_to_async(look)()


class ForPages(OnLoop):
    """Spares the API's operations what only a page needs: a cookie opens nothing there."""

    def __call__(self: Any, request: HttpRequest) -> HttpResponseBase | Awaitable:
        if is_operation(request):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


def is_operation(request: HttpRequest) -> bool:
    """One of the API's; its documentation is a page."""
    return request.path_info.startswith(OPERATIONS)


class Security(OnLoop, SecurityMiddleware): ...


class Compression(ForPages, GZipMiddleware):
    """Of pages alone: a stream must not wait for more to press together, and pictures are small
    already. Django adds as many random bytes as hide a secret from who measures lengths."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase):
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if response.streaming or not is_page:
            return response
        return super().process_response(request, response)


class ContentSecurityPolicy(OnLoop, CSPMiddleware): ...


class Locale(ForPages, LocaleMiddleware): ...


class Common(OnLoop, CommonMiddleware): ...


class Csrf(ForPages, ViewOnLoop, CsrfViewMiddleware): ...


class TextOnly(ViewOnLoop, MiddlewareMixin):
    """Refuses a NUL, which no text has and PostgreSQL takes in none, before any query meets it.

    In an address it leads nowhere. What an operation of the API is sent, its own parser reads.
    """

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        if "\0" in request.path_info:
            if request.path_info.startswith("/api/"):
                return no_such_route(request)
            raise Http404
        if is_operation(request):
            return None
        form = (text for name, texts in request.POST.lists() for text in (name, *texts))
        if "%00" in request.META["QUERY_STRING"] or any("\0" in text for text in form):
            return not_text(request)
        return None


class Authentication(ForPages, AuthenticationMiddleware): ...


class XFrameOptions(OnLoop, XFrameOptionsMiddleware): ...


class BrowserSession(ForPages, SessionMiddleware):
    def must_wait(self, request: HttpRequest) -> bool:
        return cast(Any, request).session.modified or settings.SESSION_SAVE_EVERY_REQUEST


class Messages(ForPages, MessageMiddleware):
    def must_wait(self, request: HttpRequest) -> bool:
        messages = cast(Any, request)._messages
        return messages.used or messages.added_new


@sync_and_async_middleware
def static_files(get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable]):
    """WhiteNoise, asked for what lies under ``STATIC_URL`` and for nothing else."""
    files = cast(Any, WhiteNoiseMiddleware)(lambda request: None)

    async def waiting(request: HttpRequest) -> HttpResponseBase:
        found = None
        if request.path_info.startswith(settings.STATIC_URL):
            found = await sync_to_async(files)(request)
        return found or await cast(Awaitable[HttpResponseBase], get_response(request))

    def direct(request: HttpRequest) -> HttpResponseBase:
        found = request.path_info.startswith(settings.STATIC_URL) and files(request)
        return found or cast(HttpResponseBase, get_response(request))

    return waiting if iscoroutinefunction(get_response) else direct
