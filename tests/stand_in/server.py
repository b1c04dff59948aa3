"""The server: an endpoint's routes, and those that control it."""

import asyncio
import contextlib
import hashlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from aiohttp import web

from .replies import Reply, Script

FAULTS = {
    "silence": "nothing, not even headers",
    "silent_start": "headers, then nothing",
    "silent_middle": "falls silent after `after` chunks",
    "silent_end": "falls silent after the finish_reason, before usage and [DONE]",
    "cut": "drops the connection in the middle of the chunk after `after`",
    "drop": "drops the connection before any header",
    "no_finish": "ends the response properly, in the middle of the answer",
    "invalid_json": "a chunk that is not JSON after `after` others",
    "invalid_utf8": "a chunk that is not UTF-8 after `after` others",
    "error_event": "an error object with `message` and `code` after `after` chunks",
    "web_page": "HTML, with status 200",
}

SIZE = 64  # numbers in an embedding
AT_ONCE = 64  # chunks a write when there is no rate
FOREVER = 3600.0  # seconds of silence
ABORTED = "aborted"  # marks a request whose connection was dropped on purpose

script = web.AppKey("script", Script)
asked = web.AppKey("asked", deque)
counts = web.AppKey("counts", dict)
going = web.AppKey("going", asyncio.Semaphore)  # how often it was told to go on and has not


def application() -> web.Application:
    app = web.Application(client_max_size=256 * 1024 * 1024)
    app[script], app[asked] = Script(), deque(maxlen=1000)
    app[counts] = {"open": 0, "left": 0, "served": 0, "chunks": 0}
    app[going] = asyncio.Semaphore(0)
    app.add_routes(
        [
            web.post("/v1/chat/completions", chat),
            web.post("/v1/embeddings", embeddings),
            web.post("/v1/rerank", rerank),
            web.get("/v1/models", models),
            web.post("/script", tell),
            web.delete("/script", forget),
            web.post("/go-on", go_on),
            web.get("/requests", requests),
            web.get("/open", show_open),
        ]
    )
    return app


async def run(port: int) -> None:
    """Serve until cancelled; prints the address once it does."""
    runner = web.AppRunner(
        application(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=2048, reuse_address=True)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)  # noqa: T201
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


# Control ----------------------------------------------------------------------------------------


async def tell(request: web.Request) -> web.Response:
    try:
        replies = [Reply.of(told) for told in (await request.json())["replies"]]
    except (ValueError, KeyError, TypeError) as exc:
        return web.json_response({"detail": str(exc)}, status=422)
    request.app[script].replies += replies
    return web.json_response({"waiting": len(request.app[script].replies)})


async def forget(request: web.Request) -> web.Response:
    request.app[script].replies.clear()
    while not request.app[going].locked():
        await request.app[going].acquire()
    request.app[asked].clear()
    request.app[counts].update(left=0, served=0, chunks=0)
    return web.Response(status=204)


async def go_on(request: web.Request) -> web.Response:
    request.app[going].release()
    return web.Response(status=204)


async def requests(request: web.Request) -> web.Response:
    return web.json_response(list(request.app[asked]))


async def show_open(request: web.Request) -> web.Response:
    return web.json_response(request.app[counts])


@contextlib.asynccontextmanager
async def _counted(request: web.Request) -> AsyncIterator[None]:
    numbers = request.app[counts]
    numbers["open"] += 1
    try:
        yield
    finally:
        numbers["open"] -= 1
        closed = request.transport is None or request.transport.is_closing()
        numbers["left" if closed and ABORTED not in request else "served"] += 1


async def _received(request: web.Request) -> dict[str, Any]:
    body = await request.json()
    request.app[asked].append(
        {"path": request.path, "headers": dict(request.headers), "body": body, "at": time.time()}
    )
    return body


# The endpoint -----------------------------------------------------------------------------------


async def models(request: web.Request) -> web.Response:
    return web.json_response(
        {"object": "list", "data": [{"id": "stand-in", "object": "model", "owned_by": "tests"}]}
    )


async def chat(request: web.Request) -> web.StreamResponse:
    async with _counted(request):
        body = await _received(request)
        reply = request.app[script].next(body)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if refusal := await _refused(request, reply):
            return refusal
        if reply.style == "json" or not body.get("stream"):
            return web.json_response(_completion(body, reply))
        return await _Answer(request, body, reply).stream()


async def embeddings(request: web.Request) -> web.StreamResponse:
    """Vectors made of the hashes of a text's words: alike texts lie close."""
    async with _counted(request):
        body = await _received(request)
        reply = request.app[script].next(body)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if refusal := await _refused(request, reply):
            return refusal
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        size = reply.size or SIZE
        data = [
            {"object": "embedding", "index": index, "embedding": vector(text, size)}
            for index, text in enumerate(texts)
        ]
        # Backwards, since nobody promises an order.
        return web.json_response({"object": "list", "model": body["model"], "data": data[::-1]})


def vector(text: str, size: int = SIZE) -> list[float]:
    """The embedding of a text; not of length 1, as those of some endpoints are not."""
    total = np.zeros(size)
    for word in text.lower().split():
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
        total += np.random.default_rng(seed).standard_normal(size)
    return [round(float(number), 6) for number in total]


async def rerank(request: web.Request) -> web.StreamResponse:
    """Each document rated by the share of the query's words that it has, best first."""
    async with _counted(request):
        body = await _received(request)
        reply = request.app[script].next(body)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if refusal := await _refused(request, reply):
            return refusal
        asked = set(body["query"].lower().split())
        results = [
            {"index": index, "relevance_score": len(asked & set(text.lower().split())) / len(asked)}
            for index, text in enumerate(body["documents"])
        ]
        results.sort(key=lambda result: -result["relevance_score"])
        return web.json_response({"model": body.get("model"), "results": results})


async def _refused(request: web.Request, reply: Reply) -> web.StreamResponse | None:
    """The answer to a request that gets no reply at all, if this is one."""
    if reply.fault == "silence":
        await asyncio.sleep(FOREVER)
    if reply.fault == "drop":
        _abort(request)
        return web.Response()
    if reply.fault == "web_page":
        return web.Response(text="<!doctype html><title>Welcome</title>", content_type="text/html")
    if reply.raw is not None:
        kind = reply.content_type or "text/event-stream"
        return web.Response(body=reply.raw.encode("latin-1"), headers={"Content-Type": kind})
    if reply.status == 200:
        return None
    error = {"message": reply.message, "type": reply.code or "error", "code": reply.code or None}
    headers = {"Retry-After": reply.retry_after} if reply.retry_after else {}
    return web.json_response({"error": error}, status=reply.status, headers=headers)


def _completion(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.said()}
    for delta in reply.deltas():
        message["tool_calls"] = message.get("tool_calls", []) + delta.get("tool_calls", [])
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason()}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [choice],
        "usage": _usage(body, len(reply.said().split())),
    }


def _usage(body: dict[str, Any], written: int) -> dict[str, int]:
    read = sum(len(str(message.get("content") or "").split()) for message in body["messages"])
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


def _abort(request: web.Request) -> None:
    request[ABORTED] = True
    if request.transport is not None:
        request.transport.abort()


class _Answer:
    """One streamed answer on its way out."""

    def __init__(self, request: web.Request, body: dict[str, Any], reply: Reply):
        self.request, self.body, self.reply = request, body, reply
        kind = reply.content_type or "text/event-stream; charset=utf-8"
        self.response = web.StreamResponse(headers={"Content-Type": kind})
        self.written = 0  # chunks
        envelope = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": body["model"]}
        self.head = json.dumps(envelope)[:-1] + ', "choices": [{"index": 0, "delta": '

    async def stream(self) -> web.StreamResponse:
        await self.response.prepare(self.request)
        if self.reply.fault == "silent_start":
            await asyncio.sleep(FOREVER)
        with contextlib.suppress(ConnectionError):  # the client has left, or was dropped
            await self._write(self._chunk({"role": "assistant", "content": ""}))
            await self._write_deltas()
            if self.reply.fault in ("", "silent_end"):
                await self._write_end()
        return self.response

    async def _write_deltas(self) -> None:
        began, waiting = time.monotonic(), []
        for delta in self.reply.deltas():
            if self.reply.fault and self.written == self.reply.after and await self._fail(waiting):
                return
            waiting.append(self._chunk(delta))
            self.written += 1
            self.request.app[counts]["chunks"] += 1
            if self.reply.rate:
                await self._write(waiting.pop())
                await asyncio.sleep(began + self.written / self.reply.rate - time.monotonic())
            elif len(waiting) == AT_ONCE or self.reply.holds_at(self.written):
                await self._write("".join(waiting))
                waiting.clear()
            if self.reply.holds_at(self.written):
                await self.request.app[going].acquire()
                began = time.monotonic() - self.written / (self.reply.rate or 1)
        await self._write("".join(waiting))

    async def _fail(self, waiting: list[str]) -> bool:
        """Do what the fault says, here; False if its time has not come."""
        fault, next_chunk = self.reply.fault, self._chunk({"content": "lost "})
        error = {"message": self.reply.message, "code": self.reply.code or None}
        said = {
            "invalid_json": self._event('{"choices": [{"delta": {"content": "half'),
            "invalid_utf8": self._chunk({"content": "\udcff"}),
            "error_event": self._event(json.dumps({"error": error})),
            "cut": next_chunk[: len(next_chunk) // 2],
            "no_finish": "",
            "silent_middle": "",
        }
        if fault not in said:
            return False
        await self._write("".join(waiting) + said[fault])
        if fault == "silent_middle":
            await asyncio.sleep(FOREVER)
        if fault == "cut":
            _abort(self.request)
        return True

    async def _write_end(self) -> None:
        await self._write(self._chunk({}, self.reply.finish_reason()))
        if self.reply.fault == "silent_end":
            await asyncio.sleep(FOREVER)
        if self.reply.usage == "last":
            usage = {"choices": [], "usage": _usage(self.body, self.written)}
            await self._write(self._event(json.dumps(usage)))
        if self.reply.done:
            await self._write(self._event("[DONE]"))

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> str:
        usage = ""
        if self.reply.usage == "every":
            usage = f', "usage": {json.dumps(_usage(self.body, self.written))}'
        said = json.dumps(delta, ensure_ascii=False)
        return self._event(f'{self.head}{said}, "finish_reason": {json.dumps(finish)}}}]{usage}}}')

    def _event(self, data: str) -> str:
        match self.reply.style:
            case "crlf":
                return f"data: {data}\r\n\r\n"
            case "tight":
                return f"data:{data}\n\n"
            case "comments":
                return f": keep-alive\n\nevent: message\nid: 1\ndata: {data}\n\n: ping\n\n"
        return f"data: {data}\n\n"

    async def _write(self, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        step = self.reply.split or len(data) or 1
        for at in range(0, len(data), step):
            await self.response.write(data[at : at + step])
            if self.reply.split:
                await asyncio.sleep(0)
