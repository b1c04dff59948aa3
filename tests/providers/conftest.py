"""An endpoint to talk to, and short ways to talk."""

from collections.abc import Callable, Sequence

import pytest

from chat.providers.base import CallPart, Message, Part, TextPart, ThinkingPart, ToolSpec
from chat.providers.openai import OpenAIChatModel
from tests.stand_in.fixture import StandIn, stand_in, stand_in_process

__all__ = ["stand_in", "stand_in_process"]

KEY = "sk-a-key-that-nobody-should-see"
PROMPT = "Where does the heron in the harbour sleep at night?"
TOOLS = tuple(
    ToolSpec(name, f"Does {name}.", {"type": "object", "properties": {}})
    for name in ("retrieve", "find", "grep", "read")
)


@pytest.fixture
def model(stand_in: StandIn) -> Callable[..., OpenAIChatModel]:
    """``model()``, or ``model("name", timeout=0.2)``: a model at the stand-in."""

    def make(
        name: str = "stand-in", timeout: float = 10, url: str = "", key: str = KEY
    ) -> OpenAIChatModel:
        return OpenAIChatModel(url or stand_in.url, key, name, timeout)

    return make


async def ask(
    model: OpenAIChatModel, tools: Sequence[ToolSpec] = (), messages: Sequence[Message] = ()
) -> list[Part]:
    return [part async for part in model.stream(messages or [Message("user", PROMPT)], tools)]


def text_of(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def thinking_of(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, ThinkingPart))


def calls_of(parts: Sequence[Part]) -> list:
    return [part.call for part in parts if isinstance(part, CallPart)]
