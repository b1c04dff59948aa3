"""What to search for when a question leans on the ones before it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from chat.events.transcript import Transcript
from chat.providers.base import ChatModel, Message
from chat.providers.words import content_terms, terms

from .asides import one_line

_LEANING = frozenset(
    terms("""
    it its they them their this that these those he she his her there then same one ones both
    es sie ihn ihm ihr dies dieser diese das dort
""")
)
_OPENINGS = ("and ", "what about", "how about", "but ", "or ", "und ", "was ist mit", "also ")
_SHORT = 3  # content words: fewer may say too little to search for by themselves
_CARRIED = 12  # words of the query before, its last ones
FIT_SECONDS = 2.0  # that a search may wait for what its wordings find
REWRITE_SECONDS = 4.0  # that a search may wait for the model's wording
_LONGEST = 300  # characters of it
_TOLD = 2, 600  # turns before, and characters of each of their answers, that the model is told

_INSTRUCTION = (
    "Write the search query that finds what the last question asks for, complete in itself: put "
    "the names and things it refers to in place of words such as it, they or there, and add what "
    "it takes for granted from the conversation. Use the language of the question. Answer with "
    "the query alone."
)

Fit = Callable[[str], Awaitable[float]]


async def standalone(question: str, transcript: Transcript, model: ChatModel, fit: Fit) -> str:
    """What to search for: the question, or a wording of one that leans on those before.

    The model's wording; without a model that writes, or when it fails or is slow, one with words
    carried over. Of several that could be meant it is the one that finds most: ``fit`` answers how
    well the best passage fits a query, from 0 to 1.
    """
    if not transcript.exchanges:
        return question
    if _refers(question) and (query := await _reworded(question, transcript, model)):
        return query
    meant = wordings(question, transcript.exchanges[-1].query)
    if len(meant) == 1:
        return meant[0]
    try:
        async with asyncio.timeout(FIT_SECONDS):
            fits = await asyncio.gather(*map(fit, meant))
    except TimeoutError:
        return meant[0]
    return meant[fits.index(max(fits))]


def wordings(question: str, before: str) -> list[str]:
    """What a question may mean after another query, the likeliest first."""
    length = len(content_terms(question))
    if length >= _SHORT and not _refers(question):
        return [question]
    said = set(terms(question))
    carried = [word for word in dict.fromkeys(content_terms(before)) if word not in said]
    carried = carried[-_CARRIED:]
    found = [_joined(carried, question)]
    if _continues(question) and len(carried) > 1:  # "and X?" may put X in place of what came last
        found.append(_joined(carried[:-1], question))
    if length > 1:
        found.append(question)
    return list(dict.fromkeys(found))


def _joined(carried: Sequence[str], question: str) -> str:
    return " ".join([*carried, question])


async def _reworded(question: str, transcript: Transcript, model: ChatModel) -> str | None:
    if not model.writes:
        return None
    turns, length = _TOLD
    told = [
        f"Question: {exchange.question}\nAnswer: {exchange.answer[:length]}"
        for exchange in transcript.exchanges[-turns:]
    ]
    asked = "\n\n".join([*told, f"Last question: {question}"])
    messages = [Message("system", _INSTRUCTION), Message("user", asked)]
    return await one_line(model, messages, REWRITE_SECONDS, _LONGEST)


def _refers(question: str) -> bool:
    """Whether it opens like a continuation, speaks of "it" and "them", or says next to nothing."""
    return (
        _continues(question)
        or not _LEANING.isdisjoint(terms(question))
        or len(content_terms(question)) < 2
    )


def _continues(question: str) -> bool:
    return question.strip().lower().startswith(_OPENINGS)
