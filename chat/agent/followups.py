"""What to search for when a question leans on the ones before it."""

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
_SHORT = 3  # content words: fewer say too little to search for by themselves
REWRITE_SECONDS = 4.0  # that a search may wait for the model's wording
_LONGEST = 300  # characters of it
_TOLD = 2, 600  # turns before, and characters of each of their answers, that the model is told

_INSTRUCTION = (
    "Write the search query that finds what the last question asks for, complete in itself: put "
    "the names and things it refers to in place of words such as it, they or there, and add what "
    "it takes for granted from the conversation. Use the language of the question. Answer with "
    "the query alone."
)


async def standalone(question: str, transcript: Transcript, model: ChatModel) -> str:
    """What to search for: the question, or the model's wording of one that leans on others.

    Without a model that writes, or when it fails or is slow, by ``search_text``.
    """
    if model.writes and transcript.exchanges and _refers(question):
        turns, length = _TOLD
        told = [
            f"Question: {exchange.question}\nAnswer: {exchange.answer[:length]}"
            for exchange in transcript.exchanges[-turns:]
        ]
        asked = "\n\n".join([*told, f"Last question: {question}"])
        messages = [Message("system", _INSTRUCTION), Message("user", asked)]
        if query := await one_line(model, messages, REWRITE_SECONDS, _LONGEST):
            return query
    return search_text(question, transcript)


def search_text(question: str, transcript: Transcript) -> str:
    """The question, with the words of the last one it seems to lean on put before it.

    A question leans when it is short, opens like a continuation, or speaks of "it" and "them".
    """
    if not transcript.exchanges or not _leans(question):
        return question
    earlier = search_text(
        transcript.exchanges[-1].question, Transcript(transcript.exchanges[:-1][-2:])
    )
    said = set(terms(question))
    kept = [word for word in dict.fromkeys(content_terms(earlier)) if word not in said]
    return f"{' '.join(kept)} {question}" if kept else question


def _leans(question: str) -> bool:
    return _refers(question) or len(content_terms(question)) < _SHORT


def _refers(question: str) -> bool:
    return (
        question.strip().lower().startswith(_OPENINGS)
        or not _LEANING.isdisjoint(terms(question))
        or len(content_terms(question)) < 2
    )
