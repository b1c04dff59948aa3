"""What a reply holds, and the bytes it is on the wire."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl

TOKEN = "t{:06d} "  # stamped, so that loss, repetition and disorder show


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted reply; all is optional, and the default is a short text that cites [1]."""

    # What is said
    text: str | None = None
    tokens: int = 0  # instead of text: so many stamped tokens
    size: int = 0  # pads each token to so many characters
    thinking: str = ""
    thinking_as: str = "reasoning_content"  # or reasoning, or tags
    calls: tuple[dict[str, Any], ...] = ()  # {name, arguments (object, or text as it is), id?}
    call_style: str = "indexed"  # or no_ids, no_index, same_index, legacy, objects
    fragment: int = 0  # characters of a call's name and arguments a chunk; 0: whole, in one
    usage: str = "last"  # or every, none
    finish: str | None = None  # the finish_reason, when not stop or tool_calls

    # How fast
    rate: float = 0.0  # chunks a second; 0: as fast as they go
    delay: float = 0.0  # seconds before the first byte
    hold: int = 0  # chunks after which it waits until it is told to go on; 0: it does not
    step: int = 0  # ... and again after so many more
    piece: int = 0  # characters a chunk of text and thinking; 0: word by word

    # How it is framed
    style: str = "sse"  # or crlf, tight, comments, json, lines (no blank line at the end)
    split: int = 0  # bytes a write, whatever they cut
    content_type: str = ""
    done: bool = True  # whether [DONE] is sent

    # What goes wrong
    status: int = 200
    message: str = "The stand-in was told to refuse."
    code: str = ""
    retry_after: str = ""
    fault: str = ""  # see server.FAULTS
    after: int = 0  # chunks before the fault
    raw: str | None = None  # the whole body, latin-1, in place of everything above

    # For whom
    when: str = ""  # only for a request that contains this
    again: bool = False  # not used up

    @classmethod
    def of(cls, told: dict[str, Any]) -> "Reply":
        """Raises ``ValueError`` for a word it does not know."""
        if unknown := set(told) - {field.name for field in fields(cls)}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        return cls(**{**told, "calls": tuple(told.get("calls", ()))})

    @classmethod
    def named(cls, model: str) -> "Reply | None":
        """The reply that a model's name asks for: ``anything?tokens=5&rate=2``."""
        _, asked, query = model.partition("?")
        if not asked:
            return None
        types = {field.name: type(getattr(cls(), field.name)) for field in fields(cls)}
        told: dict[str, Any] = {}
        for name, value in parse_qsl(query):
            kind = types.get(name, str)
            told[name] = kind(value) if kind in (int, float) else value
            if kind is bool:
                told[name] = value not in ("0", "false")
            elif kind is tuple:
                told[name] = json.loads(value)
        return cls.of(told)

    def holds_at(self, written: int) -> bool:
        """Whether it waits after so many chunks."""
        if not self.step:
            return written == self.hold
        return written >= self.hold and (written - self.hold) % self.step == 0

    def deltas(self) -> Iterator[dict[str, Any]]:
        """What goes into ``delta``, chunk by chunk."""
        if self.thinking and self.thinking_as != "tags":
            for piece in self._pieces(self.thinking):
                yield {self.thinking_as: piece}
        for piece in self._pieces(self.said()):
            yield {"content": piece}
        yield from self._call_deltas()

    def said(self) -> str:
        """The content as a whole."""
        text = self.text or ""
        if self.tokens:
            text = "".join(TOKEN.format(n).ljust(self.size) for n in range(self.tokens))
        elif self.text is None and not self.calls:
            text = "The stand-in has read the documents and quotes the first of them [1]."
        if self.thinking and self.thinking_as == "tags":
            text = f"<think>\n{self.thinking}\n</think>\n\n{text}"
        return text

    def finish_reason(self) -> str:
        return self.finish or ("tool_calls" if self.calls else "stop")

    def _pieces(self, text: str) -> Iterator[str]:
        if self.piece:
            yield from (text[at : at + self.piece] for at in range(0, len(text), self.piece))
        else:
            yield from re.findall(r"\s*\S+\s?|\s+", text)

    def _call_deltas(self) -> Iterator[dict[str, Any]]:
        if self.calls and not self.fragment and self.call_style != "legacy":
            yield {
                "tool_calls": [
                    self._fragment(
                        number, {"name": call["name"], "arguments": self._arguments(call)}, True
                    )
                    for number, call in enumerate(self.calls)
                ]
            }
            return
        for number, call in enumerate(self.calls):
            for at, function in enumerate(self._function_pieces(call)):
                if self.call_style == "legacy":
                    yield {"function_call": function}
                else:
                    yield {"tool_calls": [self._fragment(number, function, first=at == 0)]}

    def _function_pieces(self, call: dict[str, Any]) -> Iterator[dict[str, str]]:
        name, arguments = call["name"], self._arguments(call)
        step = self.fragment or len(name + arguments) + 1
        for at in range(0, len(name), step):
            yield {"name": name[at : at + step], "arguments": ""}
        for at in range(0, len(arguments), step):
            yield {"arguments": arguments[at : at + step]}

    def _fragment(self, number: int, function: dict[str, Any], first: bool) -> dict[str, Any]:
        fragment: dict[str, Any] = {"function": function}
        if self.call_style != "no_index":
            fragment["index"] = 0 if self.call_style == "same_index" else number
        if first and self.call_style not in ("no_ids", "no_index"):
            call_id = self.calls[number].get("id", f"call_{number}")
            fragment |= {"id": call_id, "type": "function"}
        return fragment

    def _arguments(self, call: dict[str, Any]) -> Any:
        arguments = call.get("arguments", {})
        if isinstance(arguments, str) or self.call_style == "objects":
            return arguments
        return json.dumps(arguments, ensure_ascii=False)


@dataclass(slots=True)
class Script:
    """The replies to come."""

    replies: list[Reply] = field(default_factory=list)

    def next(self, request: dict[str, Any]) -> Reply:
        """The reply to this request: by script, by the model's name, or as a plain model would."""
        asked = json.dumps(
            request.get("messages", request.get("input", request.get("query"))), ensure_ascii=False
        )
        for reply in self.replies:
            if reply.when in asked:
                if not reply.again:
                    self.replies.remove(reply)
                return reply
        named = Reply.named(str(request.get("model", "")))
        if named and named.when in asked:
            return named
        if _wants(request, "title"):
            return Reply(text=_title(request))
        if _wants(request, "search query"):
            return Reply(text=str(request["messages"][-1]["content"]).rpartition("question: ")[2])
        return Reply()


def _wants(request: dict[str, Any], what: str) -> bool:
    messages = request.get("messages") or [{}]
    first = str(messages[0].get("content"))
    return messages[0].get("role") == "system" and what in first.lower() and len(first) < 1500


def _title(request: dict[str, Any]) -> str:
    words = re.findall(r"\w+", str(request["messages"][-1].get("content")))
    return "About " + " ".join(words[:5])
