"""The indexes a prompt may search, the questions they suggest, and the model that is asked."""

import random
from collections.abc import Sequence

from django.db.models import Max, Q
from django.utils.translation import gettext as _

from chat.models import MAX_INDEXES, Actor, Chunk, Document, Index, Session, Turn

SUGGESTIONS = 4
LONGEST_HEADING = 60  # characters
ASKING = {
    *("who", "whose", "what", "when", "where", "why", "which", "how"),
    *("wer", "wessen", "was", "wann", "wo", "warum", "welche", "wie"),
}
VERBS = {  # that follow them in a question, and not in "What each role may do"
    *("is", "are", "was", "were", "do", "does", "did", "has", "have", "can", "may", "must"),
    *("should", "will", "would", "happens", "ist", "sind", "war", "hat", "haben", "kann"),
    *("können", "darf", "dürfen", "muss", "müssen", "soll", "wird", "werden", "macht", "man"),
}
TELLING = {  # what headings of manuals begin with, but for those that are nouns as well
    *("add", "allow", "apply", "ask", "choose", "collect", "compare", "configure", "connect"),
    *("convert", "create", "define", "delete", "deploy", "disable", "edit", "enable", "extend"),
    *("find", "get", "give", "improve", "install", "invite", "make", "manage", "merge", "migrate"),
    *("organise", "organize", "prepare", "protect", "publish", "remove", "rename", "replace"),
    *("restore", "save", "send", "submit", "uninstall", "use", "verify", "write"),
}


def choices(actor: Actor) -> list[Index]:
    """What the actor may search, last used first."""
    used = Max(
        "bound_sessions__session__last_used_at",
        filter=Q(bound_sessions__session__owner=actor.person),
    )
    indexes = Index.objects.visible_to(actor).queryable().annotate(used=used)
    return sorted(
        indexes,
        key=lambda one: (
            one.used is None,
            -one.used.timestamp() if one.used else 0,
            one.name.lower(),
        ),
    )


def first_choice(actor: Actor, indexes: Sequence[Index]) -> list[str]:
    """What a new chat starts with: the indexes of the last one, else all if they are few."""
    offered = {index.pk for index in indexes}
    last = Session.objects.owned_by(actor).recent().first()
    used = asked_last(last) if last else []
    kept = [pk for pk in used if pk in offered]
    return kept or [index.pk for index in indexes[:MAX_INDEXES]]


def asked_last(session: Session) -> list[str]:
    """The indexes of a session: those bound to it, else those of its newest prompt."""
    if session.is_bound:
        return list(session.bound_indexes.values_list("index", flat=True))
    turn: Turn | None = session.turns.order_by("-seq").first()
    return list(turn.index_ids) if turn else []


def model_used_last(session: Session) -> str:
    """The model of the newest prompt, be it one that still waits; "" for the default."""
    newest = (
        session.queued_prompts.order_by("-pk").first() or session.turns.order_by("-seq").first()
    )
    return newest.model if newest else ""


def suggestions(actor: Actor, index_ids: Sequence[str]) -> list[str]:
    """Questions made from headings of the indexes' own documents, of as many as possible."""
    indexes = Index.objects.visible_to(actor).filter(pk__in=index_ids[:MAX_INDEXES])
    documents = Document.objects.readable().filter(index__in=indexes, chunk_count__gt=0)
    some = list(documents.order_by("-synced_at").values_list("pk", "title", "name")[:60])
    some = random.sample(some, min(SUGGESTIONS, len(some)))
    names = {pk: title or name for pk, title, name in some}
    found = Chunk.objects.filter(document__in=names).exclude(heading="")
    headings: dict[int, list[str]] = {}
    for pk, path in found.values_list("document", "heading").distinct()[:400]:
        leaf = path.rpartition("›")[2].strip()
        if 3 < len(leaf) <= LONGEST_HEADING and leaf != names[pk]:
            headings.setdefault(pk, []).append(leaf)
    questions = []
    while headings and len(questions) < SUGGESTIONS:
        for pk in list(headings):
            leaf = random.choice(headings[pk])  # noqa: S311
            headings[pk].remove(leaf)
            if not headings[pk]:
                del headings[pk]
            questions.append(question_about(leaf, names[pk], len(questions)))
    return list(dict.fromkeys(questions))[:SUGGESTIONS]


def question_about(heading: str, title: str, turn: int = 0) -> str:
    """A heading as someone would ask for what stands under it.

    Headings that ask, or say what to do, become that question in their own language; of others it
    is asked in the reader's, in one of several forms by ``turn``.
    """
    if heading.endswith("?"):
        return heading
    first, _blank, rest = heading.partition(" ")
    if first.lower() == "how" and rest.startswith("to "):
        return f"How do I {rest.removeprefix('to ')}?"
    if first.lower() in ASKING and rest.partition(" ")[0].lower() in VERBS:
        return f"{heading}?"
    if first.lower() in TELLING and rest:
        return f"How do I {first.lower()} {rest}?"
    forms = (
        _("What does “%(title)s” say about “%(heading)s”?"),
        _("Explain “%(heading)s” in a few sentences"),
        _("What should I know about “%(heading)s”?"),
    )
    return forms[turn % len(forms)] % {"heading": heading, "title": title}
