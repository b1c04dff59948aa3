"""``manage.py web``: the web process, which is daphne with request bodies kept out of memory."""

import asyncio
import io
import resource
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, cast

from daphne.server import Server  # isort: skip  # first: it chooses Twisted's reactor
from daphne import http_protocol
from daphne.endpoints import build_endpoint_description_strings
from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils.module_loading import import_string
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from chat import runs
from chat.bodies import from_disk, largest_body
from chat.errors import is_full
from chat.runs import watch

PATIENCE = 30.0  # seconds that a refused client may go on sending


class Command(BaseCommand):
    help = "Serve the pages and the API on HOST and PORT until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--proxy-headers",
            action="store_true",
            help="Believe X-Forwarded-For, -Port and -Proto; only behind a proxy that sets them.",
        )

    def handle(self, *, proxy_headers: bool, **options: Any) -> None:
        http_protocol.WebRequest = Request  # what daphne's factory makes; it has no other way in
        open_as_many_files_as_may_be()
        cast(Any, reactor).callLater(0, watch.begin)
        WebServer(
            from_disk(import_string(settings.ASGI_APPLICATION)),
            endpoints=build_endpoint_description_strings(host=settings.HOST, port=settings.PORT),
            server_name="",
            proxy_forwarded_address_header="X-Forwarded-For" if proxy_headers else None,
            proxy_forwarded_port_header="X-Forwarded-Port" if proxy_headers else None,
            proxy_forwarded_proto_header="X-Forwarded-Proto" if proxy_headers else None,
        ).run()


def open_as_many_files_as_may_be() -> None:
    """A stream takes two, its reader's line and the model's; the usual limit is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where the system itself allows fewer
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Request(http_protocol.WebRequest):
    """A request whose body stays in the file Twisted received it into.

    Twisted would read all of a multipart body to parse it, and daphne then queues the whole body
    in memory: an upload of 100 MB took 1.3 GB, and every stream of the process stood still.
    One that is too large is not received: the application refuses it by its length. One that the
    disk has no room for is received to its end, since clients read no answer before, and let go.
    """

    def __init__(self, *args: Any):
        super().__init__(*args, parsePOSTFormSubmission=False)
        self.body: Any = None
        self.received = 0
        self.is_lost = False  # the disk was full

    def gotLength(self, length: int | None) -> None:
        if length and length > largest_body():
            self.requestHeaders.removeHeader(b"expect")  # or it is told to go on
            channel = cast(Any, self.channel)
            channel.length = length = 0  # processed at once
            channel.persistent = False
            channel.loseConnection = partial(hang_up, channel)
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > largest_body() or self.is_lost:
            return
        with self.losing_at_most_the_body():
            super().handleContentChunk(data)

    @contextmanager
    def losing_at_most_the_body(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            if not is_full(exc):
                raise
            self.is_lost = True
            with suppress(OSError):  # it tries once more to write what it holds
                cast(Any, self.content).close()
            self.content = io.BytesIO()

    def process(self) -> Any:
        with self.losing_at_most_the_body():
            cast(Any, self.content).seek(0)
        self.body, self.content = self.content, io.BytesIO()
        if self.received:  # a body in chunks comes without it, and Django takes that for no body
            self.requestHeaders.setRawHeaders(b"content-length", [str(self.received).encode()])
        return super().process()


def hang_up(channel: Any) -> None:
    """Close the connection of a client that may still be sending.

    To close it at once would take the answer away from those that read it only when they have
    sent all.
    """
    channel.dataReceived = lambda data: None
    channel.transport.loseWriteConnection()
    cast(Any, reactor).callLater(PATIENCE, channel.transport.abortConnection)


class WebServer(Server):
    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        scope["carrel.body"] = getattr(protocol, "body", None)
        scope["carrel.is_lost"] = getattr(protocol, "is_lost", False)
        return super().create_application(protocol, scope)

    def kill_all_applications(self) -> Any:
        """Runs end first, so that whoever follows one still sees how it ended."""
        watch.end()
        drained = Deferred.fromFuture(asyncio.ensure_future(runs.drain()))
        return drained.addBoth(lambda _: super(WebServer, self).kill_all_applications())
