"""A line from the model, asked for beside the answer itself; an answer never depends on it."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import aclosing

from chat.errors import ModelError
from chat.providers.base import ChatModel, Message, TextPart


async def one_line(
    model: ChatModel, messages: Sequence[Message], seconds: float, longest: int
) -> str | None:
    """What the model says, as one clean line of at most that many characters.

    None if it fails, takes too long, says nothing or goes on and on.
    """
    text = ""
    try:
        async with asyncio.timeout(seconds), aclosing(model.stream(messages)) as parts:
            async for part in parts:
                if isinstance(part, TextPart):
                    text += part.text
                if len(text) > 10 * longest:
                    return None
    except (ModelError, TimeoutError):
        return None
    line = clean(text.strip().strip("\"'“”„«»"))
    return line if line and len(line) <= longest else None


def clean(text: str) -> str:
    """One line, with no Markdown marks at its ends and no control characters."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split()).strip("#*_` ")
