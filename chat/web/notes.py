"""What stands beside a turn's events: who asked, the other ways it went, what of it is open to
its reader, and the reader's word."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.contrib.auth.models import AbstractUser

from chat.models import Actor, Feedback, Index, Session, Turn


@dataclass(frozen=True, slots=True)
class Way:
    """One of the turns with the same parent."""

    pk: int
    seq: int


@dataclass(frozen=True, slots=True)
class Note:
    """Of one turn, for one reader."""

    asker: str = ""  # unless it was the session's owner
    ways: Sequence[Way] = ()  # when there are several
    at: int = 0  # this turn's place among them, from 1
    may_choose: bool = False  # by which the session reads on; else the others are only looked at
    rating: str = ""  # the reader's
    comment: str = ""
    # Names by id, of the indexes it searched: those that the reader may read.
    indexes: Mapping[str, str] = field(default_factory=dict)

    @property
    def back(self) -> Way | None:
        """The one before this turn."""
        return self.ways[self.at - 2] if self.at > 1 else None

    @property
    def on(self) -> Way | None:
        return self.ways[self.at] if self.at < len(self.ways) else None


NOTHING = Note()


def may_ask(actor: Actor, session: Session) -> bool:
    """In a session that is visible to them."""
    return session.owner_id == actor.person.pk or session.sharing == Session.Sharing.QUERY


def notes_on(
    actor: Actor, session: Session, turns: Collection[int], is_aside: bool = False
) -> dict[int, Note]:
    """By turn; four queries however many turns there are, three where nothing was asked again.

    ``is_aside``: they are shown as another branch than the one the session reads on by.
    """
    rows = list(session.turns.filter(pk__in=turns).select_related("asked_by"))
    askers = {row.pk: _name(row.asked_by) for row in rows if row.asked_by_id != session.owner_id}
    indexes = _readable(actor, rows)
    ways, may_choose = _ways(session), may_ask(actor, session) and not is_aside
    words = {one.turn_id: one for one in Feedback.objects.filter(turn__in=turns, user=actor.person)}
    return {
        turn: Note(
            askers.get(turn, ""),
            *ways.get(turn, ((), 0)),
            may_choose,
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


def _ways(session: Session) -> dict[int, tuple[Sequence[Way], int]]:
    """Of each turn that has siblings: all of them, itself included, and its place among them."""
    if not session.is_branched:
        return {}
    families: dict[int | None, list[Way]] = {}
    for pk, parent, seq in session.turns.order_by("seq").values_list("pk", "parent", "seq"):
        families.setdefault(parent, []).append(Way(pk, seq))
    return {
        way.pk: (family, place)
        for family in families.values()
        if len(family) > 1
        for place, way in enumerate(family, start=1)
    }
