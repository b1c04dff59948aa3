"""Putting together what a stream takes apart: events, thinking, tool calls. No network here."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from chat.providers.base import Call, TextPart, ThinkingPart

LONGEST_LINE = 32 * 1024 * 1024  # bytes; whoever sends more without a line end means harm
DONE = b"[DONE]"


class Garbled(ValueError):
    """What came is not what was agreed on; the text says what it is."""


# Server-sent events -----------------------------------------------------------------------------


async def documents(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[bytes]]:
    """The data of each event of a response's body, as many at once as arrived together.

    A body that is no event stream, plain JSON say, is one document. Raises ``Garbled`` for a line
    that does not end.
    """
    events = _Events()
    async for chunk in chunks:
        if batch := events.feed(chunk):
            yield batch
    if batch := events.feed(b"\n\n") + events.plain():
        yield batch


class _Events:
    """Bytes in, data out; an event ends with a blank line."""

    def __init__(self) -> None:
        self._unfinished: list[bytes] = []  # pieces of a line that has not ended
        self._size = 0
        self._data: list[bytes] = []
        self._is_plain: bool | None = None  # not known before the first line

    def feed(self, chunk: bytes) -> list[bytes]:
        # Bytes are only looked at in whole lines: a character may be split over chunks.
        self._unfinished.append(chunk)
        self._size += len(chunk)
        if b"\n" not in chunk:
            if self._size > LONGEST_LINE:
                raise Garbled("a line without an end")
            return []
        *lines, rest = b"".join(self._unfinished).split(b"\n")
        self._unfinished, self._size = [rest], len(rest)
        return [data for line in lines if (data := self._line(line.rstrip(b"\r")))]

    def _line(self, line: bytes) -> bytes | None:
        if self._is_plain is None and line:
            self._is_plain = not line.startswith(_FIELDS)
        if self._is_plain:
            self._data.append(line)
        elif line.startswith(b"data:"):
            self._data.append(line[5:].strip())
        elif not line and self._data:
            whole = b"\n".join(self._data)
            self._data.clear()
            return whole
        return None

    def plain(self) -> list[bytes]:
        return [b"\n".join(self._data)] if self._is_plain else []


_FIELDS = (b":", b"data", b"event", b"id", b"retry")


def parse(document: bytes) -> dict[str, Any]:
    """The JSON object in an event. Raises ``Garbled``."""
    try:
        value = read_json(document)
    except orjson.JSONDecodeError:
        raise Garbled(_what_is(document)) from None
    if not isinstance(value, dict):
        raise Garbled("JSON that is no object")
    return value


def read_json(text: bytes | str) -> Any:
    """What an endpoint says, without NUL, which PostgreSQL keeps in no text.

    Raises ``orjson.JSONDecodeError``.
    """
    value = orjson.loads(text)
    held = b"\\u0000" in text if isinstance(text, bytes) else "\\u0000" in text
    return _without_nul(value) if held else value


def _without_nul(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        case list():
            return [_without_nul(one) for one in value]
        case dict():
            return {_without_nul(name): _without_nul(one) for name, one in value.items()}
    return value


def _what_is(document: bytes) -> str:
    try:
        text = document.decode()
    except UnicodeDecodeError:
        return "bytes that are not UTF-8"
    return "a web page" if text.lstrip().startswith("<") else "text that is not JSON"


# Thinking between tags --------------------------------------------------------------------------

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkingTags:
    """Tells ``<think>…</think>`` at the start of a reply from the text after it.

    Anywhere else the tags are text: a model may be explaining them.
    """

    def __init__(self) -> None:
        self._state = self._undecided
        self._next = self._text  # after a gap
        self._held = ""  # may be the beginning of a tag

    def feed(self, text: str) -> Iterator[TextPart | ThinkingPart]:
        yield from self._state(text)

    def rest(self) -> Iterator[TextPart | ThinkingPart]:
        """What was held back, now that the reply is over."""
        if self._held and self._state == self._thinking:
            yield ThinkingPart(self._held)
        elif self._held:
            yield TextPart(self._held)
        self._held = ""

    def _undecided(self, text: str) -> Iterator[TextPart | ThinkingPart]:
        self._held += text
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._held, self._state, self._next = "", self._gap, self._thinking
            yield from self._gap(start[len(_OPEN) :])
        elif not _OPEN.startswith(start):
            text, self._held, self._state = self._held, "", self._text
            yield TextPart(text)

    def _thinking(self, text: str) -> Iterator[TextPart | ThinkingPart]:
        thought, closed, answer = (self._held + text).partition(_CLOSE)
        self._held = "" if closed else _beginning_of(_CLOSE, thought)
        if thought := thought.removesuffix(self._held):
            yield ThinkingPart(thought)
        if closed:
            self._state, self._next = self._gap, self._text
            yield from self._gap(answer)

    def _gap(self, text: str) -> Iterator[TextPart | ThinkingPart]:
        """The blank lines after a tag belong to nothing."""
        if text := text.lstrip():
            self._state = self._next
            yield from self._state(text)

    def _text(self, text: str) -> Iterator[TextPart | ThinkingPart]:
        yield TextPart(text)


def _beginning_of(tag: str, text: str) -> str:
    """The longest end of ``text`` that ``tag`` begins with."""
    sizes = range(min(len(tag) - 1, len(text)), 0, -1)
    return next((tag[:size] for size in sizes if text.endswith(tag[:size])), "")


# Tool calls -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Draft:
    id: str = ""
    name: str = ""
    arguments: str = ""


class CallAssembly:
    """Tool calls from their fragments, in the order in which they began.

    A fragment belongs to the draft of its index, or else of its id, or else to the last one;
    unless it names a tool though that draft is whole, or comes with another id: some endpoints
    number every call 0, some do not number them. ``names`` are the tools that were offered.
    """

    def __init__(self, names: Collection[str] = ()):
        self._names = names
        self._drafts: list[_Draft] = []
        self._by_index: dict[int, _Draft] = {}

    def add(self, fragment: Mapping[str, Any]) -> None:
        function = fragment.get("function")
        function = function if isinstance(function, Mapping) else fragment  # the legacy shape
        call_id, name = _text(fragment.get("id")), _text(function.get("name"))
        draft = self._draft(fragment.get("index"), call_id, name)
        draft.id = draft.id or call_id
        draft.name = self._joined(draft.name, name)
        arguments = function.get("arguments")
        if isinstance(arguments, Mapping):
            draft.arguments = orjson.dumps(arguments).decode()
        else:
            draft.arguments += _text(arguments)

    def calls(self) -> list[Call]:
        """All calls; one without an id of its own is given one, so that results find it."""
        taken: set[str] = set()
        calls = []
        for draft in self._drafts:
            if not draft.id or draft.id in taken:
                draft.id = f"call_{uuid.uuid4().hex}"
            taken.add(draft.id)
            value = _loads(draft.arguments or "{}")
            broken = None if isinstance(value, dict) else draft.arguments
            calls.append(Call(draft.id, draft.name, {} if broken else value, broken))
        return calls

    def _draft(self, index: Any, call_id: str, name: str) -> _Draft:
        if isinstance(index, int):
            draft = self._by_index.get(index)
        else:
            same = (draft for draft in self._drafts if call_id and draft.id == call_id)
            draft = next(same, self._drafts[-1] if self._drafts else None)
        if draft is None or (name and self._is_another(draft, call_id, name)):
            draft = _Draft()
            self._drafts.append(draft)
        if isinstance(index, int):
            self._by_index[index] = draft
        return draft

    def _is_another(self, draft: _Draft, call_id: str, name: str) -> bool:
        if draft.id and call_id and draft.id != call_id:
            return True
        if draft.arguments:
            return isinstance(_loads(draft.arguments), dict)
        known = draft.name in self._names and name != draft.name
        return known and not self._begins(draft.name + name)

    def _joined(self, name: str, piece: str) -> str:
        """A name goes on in the next fragment, or is repeated in every one."""
        if name in self._names and not self._begins(name + piece):
            return name
        return name if name == piece else name + piece

    def _begins(self, name: str) -> bool:
        return any(known.startswith(name) for known in self._names)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _loads(text: str) -> Any:
    try:
        return read_json(text)
    except orjson.JSONDecodeError:
        return None
