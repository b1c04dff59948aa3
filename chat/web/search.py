"""Sessions and documents that hold every word of what is looked for, and where they hold it."""

import re
from collections.abc import Iterable, Sequence
from functools import reduce
from heapq import nlargest
from itertools import takewhile
from operator import add, or_
from typing import Any

from django.db.models import Case, IntegerField, OuterRef, Q, Subquery, Value, When

from chat.models import Actor, Document, Event, Session, TurnWords
from chat.models.turn_words import comparable

from .markdown import plain
from .rail import opened_by, with_signs

HITS = 30
MOST_WORDS = 8
EXCERPT = 150  # characters
LEAD = 40  # of these, what stands before the first word


def words_of(query: str) -> list[str]:
    """The words to look for, comparable, each once. A word may be a part of one in the text."""
    return list(dict.fromkeys(comparable(query).split()))[:MOST_WORDS]


def sessions_with(actor: Actor, words: Sequence[str]) -> list[Session]:
    """One's own, and those of others that the rail lists, in which every word was said or is in
    the title. Those with all of them in the title lead, then with all in one turn; newest first.

    Each has the ``excerpt`` of ``hit_turn``, the last turn in which most of the words are.
    """
    opened = list(opened_by(actor).values_list("pk", flat=True))
    within = Session.objects.visible_to(actor).filter(Q(owner=actor.person) | Q(pk__in=opened))
    best = nlargest(HITS, _ranked(within, words))
    said = TurnWords.objects.filter(session=OuterRef("pk")).annotate(count=_count(words))
    hit = said.filter(count__gt=0).order_by("-count", "-turn").values("turn")[:1]
    rows = with_signs(within, actor).annotate(hit_turn=Subquery(hit))
    by_id = rows.in_bulk([pk for *_rank, pk in best])
    sessions = [by_id[pk] for *_rank, pk in best if pk in by_id]
    texts = _texts_of(session.hit_turn for session in sessions)
    for session in sessions:
        session.excerpt = excerpt(texts.get(session.hit_turn, ""), words)
    return sessions


def documents_with(actor: Actor, query: str) -> list[Document]:
    """Those with every word in their name or title."""
    documents = Document.objects.visible_to(actor).readable().select_related("index")
    for word in query.split()[:MOST_WORDS]:
        # SQLite itself knows the small and the great of a to z alone.
        lookup, value = ("icontains", word) if word.isascii() else ("iregex", re.escape(word))
        in_name, in_title = Q(**{f"name__{lookup}": value}), Q(**{f"title__{lookup}": value})
        documents = documents.filter(in_name | in_title)
    return list(documents.defer("text", "page_starts")[:HITS])


def excerpt(text: str, words: Sequence[str]) -> str:
    """The stretch of the text with the most of the words in it, on one line."""
    text = " ".join(text.split())
    found = [(start, comparable(text[start:end])) for start, end in places(text, words)]
    best, most = 0, 0
    for at, (start, _word) in enumerate(found):
        near = takewhile(lambda place, end=start - LEAD + EXCERPT: place[0] < end, found[at:])
        count = len({word for _start, word in near})
        if count > most:
            best, most = start, count
        if most == len(words):
            break
    if not most:
        return ""
    start = max(0, best - LEAD)
    end = start + EXCERPT
    return f"{'…' if start else ''}{text[start:end].strip()}{'…' if end < len(text) else ''}"


def places(text: str, words: Iterable[str]) -> list[tuple[int, int]]:
    """Spans of the text that are one of the comparable words, in order, none over another."""
    longest_first = sorted(words, key=len, reverse=True)
    if not longest_first:
        return []
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    letters = [comparable(letter) for letter in text]
    origin = [at for at, letter in enumerate(letters) for _ in letter]  # one letter may become two
    return [
        (origin[match.start()], origin[match.end() - 1] + 1)
        for match in pattern.finditer("".join(letters))
    ]


def _ranked(sessions: Any, words: Sequence[str]) -> Iterable[tuple[bool, bool, Any, str]]:
    """How well each session with all of the words fits, and its id: the greater the better."""
    said = TurnWords.objects.filter(session__in=sessions.order_by().values("pk"))
    some = reduce(or_, (Q(text__contains=word) for word in words))
    turns = said.filter(some).order_by().values_list("session", *map(_is_in, words))
    found: dict[str, list[int]] = {}  # by session, for each word whether it was said
    in_one: set[str] = set()  # sessions with all of the words in one turn
    for session, *flags in turns:
        found[session] = list(map(max, found.get(session, flags), flags))
        if all(flags):
            in_one.add(session)
    nowhere = [0] * len(words)
    for pk, title, used_at in sessions.order_by().values_list("pk", "title", "last_used_at"):
        title = comparable(title)
        in_title = [word in title for word in words]
        if all(map(max, in_title, found.get(pk, nowhere))):
            yield all(in_title), pk in in_one, used_at, pk


def _is_in(word: str) -> Case:
    return Case(When(text__contains=word, then=1), default=Value(0), output_field=IntegerField())


def _count(words: Sequence[str]) -> Any:
    """How many of the words are in a turn."""
    return reduce(add, map(_is_in, words))


def _texts_of(turns: Iterable[int | None]) -> dict[int, str]:
    """Question and answer of each turn as they read."""
    said = Event.objects.filter(turn__in=[pk for pk in turns if pk], type__in=Event.SAID)
    texts: dict[int, str] = {}
    for turn, payload in said.order_by("seq").values_list("turn", "payload"):
        text = plain(payload["content"])
        texts[turn] = f"{texts[turn]} – {text}" if turn in texts else text
    return texts
