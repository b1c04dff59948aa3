"""What to search for when a question leans on the ones before it."""

import asyncio
from collections.abc import Awaitable, Callable

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
_CARRIED = 12  # words of the query before
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

    The model's wording, or without a model that writes, or when it fails or is slow, ``leaning``.
    Where the question alone does not tell whether it leans, what it finds does: ``fit`` answers
    how well the best passage fits a query, from 0 to 1.
    """
    if not transcript.exchanges:
        return question
    length, refers = len(content_terms(question)), _refers(question)
    if refers and (query := await _reworded(question, transcript, model)):
        return query
    if length < 2:
        return leaning(question, transcript)
    if length >= _SHORT and not refers:
        return question
    wordings = leaning(question, transcript), question
    fits = await asyncio.gather(*map(fit, wordings))
    return wordings[fits.index(max(fits))]


def leaning(question: str, transcript: Transcript) -> str:
    """The question, with the words before it that were searched for the last time."""
    said = set(terms(question))
    words = dict.fromkeys(content_terms(transcript.exchanges[-1].query))
    carried = [word for word in words if word not in said][:_CARRIED]
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
        question.strip().lower().startswith(_OPENINGS)
        or not _LEANING.isdisjoint(terms(question))
        or len(content_terms(question)) < 2
    )
