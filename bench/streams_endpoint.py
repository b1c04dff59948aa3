"""A model endpoint fast enough never to be the limit: nothing but sockets, timers and bytes.

    python -m bench.streams_endpoint [--port 0]

It answers every ``POST`` with a stream of stamped tokens, ``t000000 t000001 …``. How many, and how
many a second, the prompt says: ``… tokens=500 rate=50``.
"""

import argparse
import asyncio
import json
import re
from contextlib import suppress

TOKEN = "t{:06d} "
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
ASKED = re.compile(rb"tokens=(\d+) rate=([\d.]+)")


def expected(tokens: int) -> str:
    """The text of such an answer."""
    return "".join(map(TOKEN.format, range(tokens)))


def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    envelope = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "b"}
    return framed(b"data: " + json.dumps(envelope | {"choices": [choice]}).encode() + b"\n\n")


def framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


FIRST = HEAD + chunk({"role": "assistant", "content": ""})
TOKENS = [chunk({"content": TOKEN.format(number)}) for number in range(10_000)]
END = chunk({}, "stop") + framed(b"data: [DONE]\n\n") + LAST


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = b""
        self.due: asyncio.TimerHandle | None = None

    def connection_made(self, transport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.due:
            self.due.cancel()

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, ended, body = self.received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if ended and len(body) >= int(length[1] if length else 0):
            self.received = b""
            self.answer(body)

    def answer(self, body: bytes) -> None:
        tokens, rate = (ASKED.findall(body) or [(b"10", b"0")])[-1]
        self.tokens, self.rate = int(tokens), float(rate)
        self.sent = 0
        self.transport.write(FIRST)
        if not self.rate:
            self.transport.write(b"".join(TOKENS[: self.tokens]) + END)
            return
        self.began = asyncio.get_running_loop().time()
        self.write()

    def write(self) -> None:
        self.transport.write(TOKENS[self.sent])
        self.sent += 1
        if self.sent == self.tokens:
            self.transport.write(END)
            return
        when = self.began + self.sent / self.rate
        self.due = asyncio.get_running_loop().call_at(when, self.write)


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    port = parser.parse_args().port
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
