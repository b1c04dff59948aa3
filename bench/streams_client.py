"""Many streams at once, every word of each checked, from a client cheap enough to be believed."""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass(slots=True)
class Target:
    """Something that answers a prompt by a stream: where to ask, and how its words are wrapped."""

    name: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    pid: int = 0  # of the process whose CPU time counts
    kind: str = "openai"  # or carrel


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


async def ask(client: aiohttp.ClientSession, target: Target) -> Stream:
    """One stream, read to its end."""
    posting = client.post(target.url, json=target.body, headers=target.headers)
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


async def ask_all(targets: Sequence[Target], over: float) -> list[Stream]:
    """Ask them all, begun evenly over so many seconds."""

    async def later(client: aiohttp.ClientSession, number: int, target: Target) -> Stream:
        await asyncio.sleep(over * number / len(targets))
        return await ask(client, target)

    async with opened() as client:
        waiting: list[Awaitable[Stream]] = [
            later(client, number, target) for number, target in enumerate(targets)
        ]
        return await asyncio.gather(*waiting)


async def ask_each(targets: Sequence[Target]) -> list[Stream]:
    """Ask one after another, over one connection."""
    async with opened() as client:
        return [await ask(client, target) for target in targets]


def opened() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=1200)
    )
