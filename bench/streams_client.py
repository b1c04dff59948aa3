"""Many streams at once, every word of each checked, from a client cheap enough to be believed."""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp

from bench.proc import cpu_seconds
from bench.streams_endpoint import expected


@dataclass(slots=True)
class Target:
    """Something that answers a prompt by a stream: where to ask, and how its words are wrapped."""

    name: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    pid: int = 0  # of the process whose CPU time counts
    kind: str = "openai"  # or carrel, or chainlit


@dataclass(slots=True)
class Stream:
    """What came of one stream. Times are in seconds, from the moment of asking."""

    asked_at: float
    text: str = ""
    first_text: float = 0.0
    retrieval: float = 0.0  # between the first tool call and its result, seen from here
    arrivals: list[float] = field(default_factory=list)  # of text, since asking
    ended: bool = False
    error: str = ""

    def take(self, piece: str, now: float) -> None:
        if not self.arrivals:
            self.first_text = now
        self.arrivals.append(now)
        self.text += piece

    @property
    def gaps(self) -> list[float]:
        return [after - before for before, after in itertools.pairwise(self.arrivals)]


@dataclass(slots=True)
class Run:
    """Streams that went on together; the seconds they took, and the CPU of what answered them."""

    streams: list[Stream]
    seconds: float
    cpu: float


def check(streams: Sequence[Stream], tokens: int) -> str:
    """A word on what went wrong with streams of so many tokens each."""
    broken = [stream for stream in streams if stream.error or not stream.ended]
    whole = sum(stream.text == expected(tokens) for stream in streams)
    if not broken and whole == len(streams):
        return "every word once, in order"
    said = f": {broken[0].error or 'not ended'}" if broken else ""
    return f"{len(broken)} BROKEN OFF{said}, {len(streams) - whole} NOT AS SENT"


def gaps(streams: Sequence[Stream]) -> str:
    """How long a reader waited between two words."""
    waits = sorted(wait for stream in streams for wait in stream.gaps) or [0.0]
    middle, late = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    return f"gaps p50 {middle * 1e3:.0f}, p99 {late * 1e3:.0f}, longest {waits[-1] * 1e3:.0f} ms"


def read_openai(stream: Stream, data: bytes, now: float) -> None:
    if data == b"[DONE]":
        stream.ended = True
        return
    for choice in json.loads(data).get("choices", ()):
        if piece := (choice.get("delta") or {}).get("content"):
            stream.take(piece, now)


def read_carrel(stream: Stream, data: bytes, now: float) -> None:
    event = json.loads(data)
    match event["type"]:
        case "text_delta":
            stream.take(event["content"], now)
        case "tool_call" if not stream.retrieval:
            stream.retrieval = -now
        case "tool_result" if stream.retrieval < 0:
            stream.retrieval += now
        case "stop":
            stream.ended, stream.error = True, event["error"] or ""


READERS: dict[str, Callable[[Stream, bytes, float], None]] = {
    "openai": read_openai,
    "carrel": read_carrel,
}


Ask = Callable[[], Awaitable[Stream]]


async def ready(http: aiohttp.ClientSession, target: Target) -> Ask:
    """What asks it. A page has its socket open before a person writes, so that is done here."""
    if target.kind == "chainlit":
        return partial(ask_chainlit, await chainlit_socket(http, target.url), target)
    return partial(ask, http, target)


async def ask(http: aiohttp.ClientSession, target: Target) -> Stream:
    """One stream over HTTP, read to its end."""
    posting = http.post(target.url, json=target.body, headers=target.headers)
    return await read(posting, READERS[target.kind])


async def read(request: Any, reader: Callable[[Stream, bytes, float], None]) -> Stream:
    stream = Stream(time.monotonic())
    rest = b""
    try:
        async with request as response:
            if response.status != 200:
                stream.error = f"HTTP {response.status}: {(await response.text())[:200]}"
                return stream
            async for received in response.content.iter_any():
                now = time.monotonic() - stream.asked_at
                *lines, rest = (rest + received).split(b"\n")
                for line in lines:
                    if line.startswith(b"data: "):
                        reader(stream, line[6:].strip(), now)
                if stream.ended:
                    return stream
    except (aiohttp.ClientError, TimeoutError) as exc:
        stream.error = repr(exc)
    return stream


# Chainlit's page talks in events of socket.io, over a websocket framed by engine.io: the first
# digit of a message is engine.io's (2 ping, 3 pong, 4 message), the second socket.io's (0 connect,
# 2 event).


async def chainlit_socket(http: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    """A new session, greeted as the page does."""
    socket = await http.ws_connect(url, max_msg_size=0)
    about = {"sessionId": str(uuid.uuid4()), "clientType": "webapp"}
    await socket.send_str("40" + json.dumps(about))
    while not (message := await socket.receive_str()).startswith("40"):
        assert message.startswith("0"), message
    await emit(socket, "connection_successful")
    while (await next_event(socket))[0] != "clear_call_fn":
        pass
    return socket


async def ask_chainlit(socket: aiohttp.ClientWebSocketResponse, target: Target) -> Stream:
    """One stream over a socket, read to the message that ends it, which repeats it as a whole."""
    message = {"id": str(uuid.uuid4()), "createdAt": None, "type": "user_message", **target.body}
    stream = Stream(time.monotonic())
    try:
        await emit(socket, "client_message", {"message": message, "fileReferences": None})
        while not stream.ended:
            name, data = await next_event(socket)
            read_chainlit(stream, name, data, time.monotonic() - stream.asked_at)
    except (aiohttp.ClientError, TypeError, TimeoutError) as exc:  # TypeError: not text but an end
        stream.error = repr(exc)
    return stream


def read_chainlit(stream: Stream, name: str, data: dict[str, Any], now: float) -> None:
    if name == "stream_token":
        stream.take(data["token"], now)
    elif name == "stream_start":
        stream.take(data["output"], now)
    elif name == "new_message" and data["type"] == "assistant_message":
        stream.ended = True
        if data["isError"] or data["output"] != stream.text:
            stream.error = f"it ended in: {data['output'][:200]}"
    elif name == "task_end":  # after the message, or instead of it
        stream.ended, stream.error = True, "the app failed"


async def emit(socket: aiohttp.ClientWebSocketResponse, name: str, *data: Any) -> None:
    await socket.send_str("42" + json.dumps([name, *data]))


async def next_event(socket: aiohttp.ClientWebSocketResponse) -> tuple[str, Any]:
    """Its name and what it carries; pings before it are answered."""
    while (message := await socket.receive_str()) == "2":
        await socket.send_str("3")
    assert message.startswith("42"), message
    name, *data = json.loads(message[2:])
    return name, data[0] if data else None


async def ask_all(targets: Sequence[Target], over: float) -> Run:
    """Ask them all, begun evenly over so many seconds."""

    async def later(number: int, asking: Ask) -> Stream:
        await asyncio.sleep(over * number / len(targets))
        return await asking()

    pids = {target.pid for target in targets} - {0}
    async with opened() as http:
        asks = [await ready(http, target) for target in targets]
        cpu, began = sum(map(cpu_seconds, pids)), time.monotonic()
        streams = await asyncio.gather(*itertools.starmap(later, enumerate(asks)))
        return Run(streams, time.monotonic() - began, sum(map(cpu_seconds, pids)) - cpu)


async def ask_each(targets: Sequence[Target]) -> list[Stream]:
    """Ask one after another; what speaks HTTP, over one connection."""
    async with opened() as http:
        return [await (await ready(http, target))() for target in targets]


def opened() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=1200)
    )
