"""What stands beside a turn's events: who asked, the other ways it went, what of it is open to
its reader, and the reader's word."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.contrib.auth.models import AbstractUser

from chat.models import Actor, Feedback, Index, Session, Turn


@dataclass(frozen=True, slots=True)
class Note:
    """Of one turn, for one reader."""

    asker: str = ""  # unless it was the session's owner
    ways: Sequence[int] = ()  # seqs of the turns with the same parent, when there are several
    at: int = 0  # this turn's place among them, from 1
    rating: str = ""  # the reader's
    comment: str = ""
    # Names by id, of the indexes it searched: those that the reader may read.
    indexes: Mapping[str, str] = field(default_factory=dict)

    @property
    def back(self) -> int | None:
        """Seq of the turn before this one among its ways."""
        return self.ways[self.at - 2] if self.at > 1 else None

    @property
    def on(self) -> int | None:
        return self.ways[self.at] if self.at < len(self.ways) else None


NOTHING = Note()


def notes_on(actor: Actor, session: Session, turns: Collection[int]) -> dict[int, Note]:
    """By turn; four queries however many turns there are, three where nothing was asked again."""
    rows = list(session.turns.filter(pk__in=turns).select_related("asked_by"))
    askers = {row.pk: _name(row.asked_by) for row in rows if row.asked_by_id != session.owner_id}
    indexes = _readable(actor, rows)
    ways = _ways(session)
    words = {one.turn_id: one for one in Feedback.objects.filter(turn__in=turns, user=actor.person)}
    return {
        turn: Note(
            askers.get(turn, ""),
            *ways.get(turn, ((), 0)),
            words[turn].rating if turn in words else "",
            words[turn].comment if turn in words else "",
            indexes,
        )
        for turn in turns
    }


def _name(asker: AbstractUser | None) -> str:
    return (asker.get_full_name() or asker.get_username()) if asker else ""


def _readable(actor: Actor, turns: Collection[Turn]) -> dict[str, str]:
    """Of the indexes that these turns searched, by id the names of those open to the actor."""
    searched = {index_id for turn in turns for index_id in turn.index_ids}
    return dict(Index.objects.visible_to(actor).filter(pk__in=searched).values_list("pk", "name"))


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
