"""A session's title, from its first prompt."""

from chat.providers.base import ChatModel, Message

from .asides import clean, one_line

MAX_LENGTH = 100
TITLE_SECONDS = 6.0
_WORTH_ASKING = 60  # a first line up to this many characters is its own best title

_INSTRUCTION = (
    "Write a title of three to seven words for a conversation that begins with the message below. "
    "Use the language of the message. Answer with the title alone, without quotes or a full stop."
)


def first_line(prompt: str) -> str:
    """The prompt as one clean line, cut at a word where it is too long."""
    line = clean(next((line for line in prompt.splitlines() if line.strip()), prompt))
    if len(line) <= MAX_LENGTH:
        return line
    return line[: MAX_LENGTH - 1].rsplit(" ", 1)[0].rstrip(",;:–-") + "…"


async def from_model(model: ChatModel, prompt: str) -> str | None:
    """The model's title for a long first prompt; None if the line itself will do, or it fails."""
    if not model.writes or len(first_line(prompt)) <= _WORTH_ASKING:
        return None
    messages = [Message("system", _INSTRUCTION), Message("user", prompt[:2_000])]
    title = await one_line(model, messages, TITLE_SECONDS, MAX_LENGTH + 1)
    title = title.rstrip(".") if title else None
    return title if title and len(title) <= MAX_LENGTH else None
