"""What to search for when a question leans on the ones before it."""

from chat.events.transcript import Transcript
from chat.providers.words import content_terms, terms

_LEANING = frozenset(
    terms("""
    it its they them their this that these those he she his her there then same one ones both
    es sie ihn ihm ihr dies dieser diese das dort
""")
)
_OPENINGS = ("and ", "what about", "how about", "but ", "or ", "und ", "was ist mit", "also ")
_SHORT = 3  # content words: fewer say too little to search for by themselves


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
    return (
        question.strip().lower().startswith(_OPENINGS)
        or not _LEANING.isdisjoint(terms(question))
        or len(content_terms(question)) < _SHORT
    )
