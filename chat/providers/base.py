"""What a chat model and an embedder are, and the values exchanged with them.

Nothing here knows of Django, the database or the wire. A provider translates foreign exceptions
into the ``ModelError`` tree of ``chat.errors``.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A numbered piece of a document, as shown to a model."""

    number: int
    source: str  # the file's name, with the page when known
    heading: str  # the heading path, or ""
    text: str
    score: float = 0.0  # how well it fits the question, from 0 to 1, also between questions


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call the model asks for. ``arguments`` is the parsed object.

    ``broken`` holds the arguments as sent when they were not a JSON object; ``arguments`` is {}.
    """

    id: str
    name: str
    arguments: Mapping[str, Any]
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    ``excerpts`` repeats, as values, what ``content`` already says in words, so that a model in
    this process need not parse prose. ``question`` is the person's prompt alone, without them, and
    ``query`` what was searched for: it differs where the question leans on the one before.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    calls: tuple[Call, ...] = ()  # assistant
    call_id: str | None = None  # tool: the call it answers
    question: str = ""  # user
    query: str = ""  # user
    excerpts: tuple[Excerpt, ...] = ()  # user, tool


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool offered to the model. ``parameters`` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingPart:
    text: str


@dataclass(frozen=True, slots=True)
class CallPart:
    """A complete tool call, assembled from however many fragments it came in."""

    call: Call


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int = 0
    output_tokens: int = 0
    is_cut: bool = False  # the reply ended where the model may write no more


Part = TextPart | ThinkingPart | CallPart | Usage


class ChatModel(Protocol):
    """Something that continues a conversation."""

    name: str
    writes: bool  # False for a model that only quotes: no titles or rewritten questions from it

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncGenerator[Part]:
        """Parts of the reply in order, ``Usage`` last; closing the iterator ends the request.

        Usage is counted by the endpoint, or estimated at four characters a token. Raises a
        ``ModelError``; what was yielded before it stands.
        """
        ...


class Embedder(Protocol):
    """Something that turns texts into unit vectors, comparable by their dot product."""

    name: str  # identifies the vector space: vectors of two names never meet
    size: int  # vector length, in floats; 0 when not known before the first call

    async def embed(
        self, texts: Sequence[str], kind: Literal["query", "passage"] = "passage"
    ) -> Vectors:
        """One row a text, float32, of length 1 (all zero for a text without any known word).

        Raises a ``ModelError``.
        """
        ...


def estimate_tokens(text: str) -> int:
    """A token count good enough for budgets: four characters a token, at least one."""
    return len(text) // 4 + 1
