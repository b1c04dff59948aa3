"""Models and embedders behind an OpenAI-compatible endpoint.

Endpoints agree on the outline and differ in the details; every leniency here is for one of them.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import orjson

from chat.errors import ModelRefused
from chat.providers.base import (
    Call,
    CallPart,
    Message,
    Part,
    TextPart,
    ThinkingPart,
    ToolSpec,
    Usage,
    Vectors,
    estimate_tokens,
)
from chat.providers.failures import NETWORK_ERRORS, Complaint, Failures, Payload
from chat.providers.fragments import DONE, CallAssembly, Garbled, ThinkingTags, documents, parse
from chat.providers.http import Endpoint

LAST_WORDS = 5.0  # seconds to wait for the usage after an answer that is complete
LENGTH = {"length", "max_tokens"}  # why a reply ended that was not at its end
HANG_UP = 0.2  # seconds to wait for the end of the response, which keeps the connection usable

BATCH = 32  # texts a request; some endpoints take no more
CONCURRENCY = 4  # requests at a time for one call of ``embed``
AT_ONCE = 50  # chunks of one answer, however many have come: then other answers have their turn


class OpenAIChatModel:
    """A chat model behind ``{base_url}/chat/completions``, streamed."""

    writes = True

    def __init__(self, base_url: str, api_key: str, model: str, timeout: float = 120.0):
        """``timeout`` is seconds of silence, before the first word or between two."""
        self.name = model
        self._failures = Failures("The model endpoint", "LLM", model, timeout)
        self._endpoint = Endpoint(base_url, api_key, self._failures)

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[Part]:
        """See ``ChatModel.stream``. Tool calls come once the model is done, each complete."""
        payload = _payload(self.name, messages, tools)
        reply = _Reply({tool.name for tool in tools})
        try:
            async with (
                self._endpoint.post("/chat/completions", payload, _simpler) as response,
                aclosing(documents(response.aiter_raw())) as batches,
            ):
                while batch := await _next(batches, reply.grace):
                    for start in range(0, len(batch), AT_ONCE):
                        if start:
                            await asyncio.sleep(0)
                        for document in batch[start : start + AT_ONCE]:
                            for part in self._read(reply, document, payload):
                                yield part
        except (Garbled, *NETWORK_ERRORS) as exc:
            if not reply.is_complete:
                raise self._failures.broken_off(exc, reply.has_begun) from exc
        if not reply.is_complete:
            raise self._failures.closed(reply.has_begun)
        for part in reply.rest():
            yield part
        usage = reply.usage or _estimate(messages, reply.characters)
        yield replace(usage, is_cut=reply.is_cut)

    def _read(self, reply: "_Reply", document: bytes, payload: Payload) -> Iterator[Part]:
        if document == DONE:
            reply.is_done = True
            return
        chunk = parse(document)
        if chunk.get("error") or chunk.get("object") == "error":
            raise self._endpoint.refusal(Complaint.of(chunk), payload)
        yield from reply.read(chunk)


async def _next(batches: AsyncGenerator[list[bytes]], grace: float | None) -> list[bytes] | None:
    """The next batch; None at the end, or when it has not come within ``grace`` seconds."""
    if grace is None:
        return await anext(batches, None)
    try:
        async with asyncio.timeout(grace):
            return await anext(batches, None)
    except TimeoutError:
        return None


# The request ------------------------------------------------------------------------------------


def _payload(model: str, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Payload:
    payload: Payload = {
        "model": model,
        "messages": [_wire(message) for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if tools:
        payload["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
            }
            for tool in tools
        ]
    return payload


def _wire(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.call_id is not None:
        wire["tool_call_id"] = message.call_id
    if message.calls:
        wire["content"] = message.content or None
        wire["tool_calls"] = [_wire_call(call) for call in message.calls]
    return wire


def _wire_call(call: Call) -> dict[str, Any]:
    # Broken arguments go back as {}: chat templates parse them, and would fail the whole request.
    arguments = orjson.dumps(dict(call.arguments)).decode()
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def _simpler(payload: Payload, complaint: Complaint) -> Payload | None:
    """The same request without what the endpoint says it cannot do, if it says so."""
    if complaint.status not in (400, 404, 422, 500, 501):
        return None
    if "stream_options" in payload and complaint.mentions("stream_options|include_usage"):
        return {key: value for key, value in payload.items() if key != "stream_options"}
    uses_tools = "tools" in payload or any(m["role"] == "tool" for m in payload["messages"])
    if uses_tools and complaint.mentions(r"\btool|function.?call"):
        return _without_tools(payload)
    return None


def _without_tools(payload: Payload) -> Payload:
    """The conversation retold for a model that knows no tools: results become plain messages."""
    messages = []
    for message in payload["messages"]:
        if message["role"] == "tool":
            messages.append({"role": "user", "content": f"Found:\n{message['content']}"})
        elif message["content"]:
            messages.append({"role": message["role"], "content": message["content"]})
    rest = {key: value for key, value in payload.items() if key != "tools"}
    return rest | {"messages": messages}


# The reply --------------------------------------------------------------------------------------


class _Reply:
    """One reply, as far as it has been read."""

    def __init__(self, tool_names: set[str]):
        self.usage: Usage | None = None
        self.characters = 0  # written so far, thoughts and arguments included
        self.has_begun = False
        self.is_finished = False  # the model is done; usage may follow
        self.is_done = False  # the endpoint is
        self.is_cut = False  # the model would have gone on
        self._tags = ThinkingTags()
        self._calls = CallAssembly(tool_names)

    @property
    def is_complete(self) -> bool:
        return self.is_finished or self.is_done

    @property
    def grace(self) -> float | None:
        """Seconds to wait for more; None to wait as long as the endpoint's timeout."""
        if self.is_done:
            return HANG_UP
        return LAST_WORDS if self.is_finished else None

    def read(self, chunk: Mapping[str, Any]) -> Iterator[Part]:
        self.usage = _usage(chunk.get("usage")) or self.usage
        for choice in _mappings(chunk.get("choices")):
            if choice.get("index"):
                continue  # only one was asked for
            delta = choice.get("delta") or choice.get("message")
            if isinstance(delta, Mapping):
                yield from self._read_delta(delta)
            reason = choice.get("finish_reason")
            self.is_finished = self.is_finished or bool(reason)
            self.is_cut = self.is_cut or reason in LENGTH
            if reason == "content_filter":
                raise ModelRefused(
                    "The model endpoint's content filter ended the answer. Ask in other words."
                )

    def rest(self) -> Iterator[Part]:
        """What can only be told at the end."""
        yield from self._tags.rest()
        for call in self._calls.calls():
            self.characters += len(call.name) + len(str(call.arguments))
            yield CallPart(call)

    def _read_delta(self, delta: Mapping[str, Any]) -> Iterator[Part]:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str) and thought:
            yield self._counted(ThinkingPart(thought))
        content = delta.get("content") or delta.get("refusal")
        if isinstance(content, str):
            for part in self._tags.feed(content):
                yield self._counted(part)
        else:
            yield from self._read_pieces(_mappings(content))
        for fragment in _mappings(delta.get("tool_calls") or [delta.get("function_call")]):
            self.has_begun = True
            self._calls.add(fragment)

    def _read_pieces(self, pieces: Iterator[Mapping[str, Any]]) -> Iterator[Part]:
        """Content as a list of typed pieces, thoughts among them."""
        for piece in pieces:
            if isinstance(text := piece.get("text"), str) and text:
                yield self._counted(TextPart(text))
            for thought in _mappings(piece.get("thinking")):
                if isinstance(text := thought.get("text"), str) and text:
                    yield self._counted(ThinkingPart(text))

    def _counted(self, part: TextPart | ThinkingPart) -> Part:
        self.has_begun = True
        self.characters += len(part.text)
        return part


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects in what should be a list of objects."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, Mapping):
        return None
    read, written = value.get("prompt_tokens"), value.get("completion_tokens")
    if isinstance(read, int) and isinstance(written, int) and read > 0 <= written:
        return Usage(read, written)
    return None


def _estimate(messages: Sequence[Message], characters: int) -> Usage:
    read = sum(estimate_tokens(message.content) for message in messages)
    return Usage(read, characters // 4 + 1)


# Embeddings -------------------------------------------------------------------------------------


class OpenAIEmbedder:
    """An embedder behind ``{base_url}/embeddings``.

    The protocol there knows no kinds: queries and passages are sent alike. A model that wants them
    marked ("query: …") is best served by an endpoint that adds the mark.
    """

    def __init__(self, base_url: str, api_key: str, model: str, timeout: float = 60.0):
        self.name = f"openai:{model}"
        self.size = 0
        self._model = model
        self._failures = Failures("The embedding endpoint", "EMBEDDING", model, timeout)
        self._endpoint = Endpoint(base_url, api_key, self._failures)

    async def embed(
        self, texts: Sequence[str], kind: Literal["query", "passage"] = "passage"
    ) -> Vectors:
        """See ``Embedder.embed``. Blank texts are not sent: endpoints refuse them."""
        places = [place for place, text in enumerate(texts) if text.strip()]
        batches = [places[start : start + BATCH] for start in range(0, len(places), BATCH)]
        limit = asyncio.Semaphore(CONCURRENCY)

        async def embed_batch(batch: list[int]) -> Vectors:
            async with limit:
                return await self._embed([texts[place] for place in batch])

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(embed_batch(batch)) for batch in batches]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        vectors = np.zeros((len(texts), self.size), dtype=np.float32)
        for batch, task in zip(batches, tasks, strict=True):
            vectors[batch] = task.result()
        return vectors

    async def _embed(self, texts: list[str]) -> Vectors:
        payload: Payload = {"model": self._model, "input": texts}
        try:
            async with self._endpoint.post("/embeddings", payload) as response:
                document = parse(await response.aread())
        except (Garbled, *NETWORK_ERRORS) as exc:
            raise self._failures.broken_off(exc, begun=True) from exc
        if document.get("error"):
            raise self._endpoint.refusal(Complaint.of(document), payload)
        return self._unit_vectors(document, len(texts))

    def _unit_vectors(self, document: Mapping[str, Any], count: int) -> Vectors:
        rows = list(_mappings(document.get("data")))
        rows = sorted(enumerate(rows), key=lambda pair: pair[1].get("index", pair[0]))
        try:
            vectors = np.array([row["embedding"] for _, row in rows], dtype=np.float32)
        except (KeyError, TypeError, ValueError):
            raise self._failures.nonsense("embeddings that cannot be read") from None
        if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():
            raise self._failures.nonsense("embeddings that do not fit what was asked")
        self.size = self.size or vectors.shape[1]
        if vectors.shape[1] != self.size:
            raise self._failures.nonsense(
                f"vectors of {vectors.shape[1]} numbers after vectors of {self.size}"
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, np.float32(1e-12))
