"""What stands beside a turn's events: who asked, the other ways it went, a reader's word."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from chat.models import Actor, Feedback, Session


@dataclass(frozen=True, slots=True)
class Note:
    """Of one turn, for one reader."""

    asker: str = ""  # unless it was the session's owner
    ways: Sequence[int] = ()  # seqs of the turns with the same parent, when there are several
    at: int = 0  # this turn's place among them, from 1
    rating: str = ""  # the reader's
    comment: str = ""

    @property
    def back(self) -> int | None:
        """Seq of the turn before this one among its ways."""
        return self.ways[self.at - 2] if self.at > 1 else None

    @property
    def on(self) -> int | None:
        return self.ways[self.at] if self.at < len(self.ways) else None


NOTHING = Note()


def notes_on(actor: Actor, session: Session, turns: Collection[int]) -> dict[int, Note]:
    """By turn; three queries however many turns there are, two where nothing was asked again."""
    askers = _askers(session, turns)
    ways = _ways(session)
    words = {one.turn_id: one for one in Feedback.objects.filter(turn__in=turns, user=actor.person)}
    return {
        turn: Note(
            askers.get(turn, ""),
            *ways.get(turn, ((), 0)),
            words[turn].rating if turn in words else "",
            words[turn].comment if turn in words else "",
        )
        for turn in turns
    }


def _askers(session: Session, turns: Collection[int]) -> dict[int, str]:
    rows = session.turns.filter(pk__in=turns).exclude(asked_by=session.owner_id)
    return {
        turn.pk: turn.asked_by.get_full_name() or turn.asked_by.get_username()
        for turn in rows.select_related("asked_by")
        if turn.asked_by
    }


def _ways(session: Session) -> dict[int, tuple[Sequence[int], int]]:
    """Of each turn that has siblings: their seqs, its own included, and its place among them."""
    if not session.is_branched:
        return {}
    families: dict[int | None, list[tuple[int, int]]] = {}
    for pk, parent, seq in session.turns.order_by("seq").values_list("pk", "parent", "seq"):
        families.setdefault(parent, []).append((pk, seq))
    return {
        pk: ([seq for _pk, seq in family], place)
        for family in families.values()
        if len(family) > 1
        for place, (pk, _seq) in enumerate(family, start=1)
    }
