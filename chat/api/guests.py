"""What is told of a session to those who read it because its owner shares it.

The answers are, with what they cite. What a tool brought is for those who may use the index it
comes from, and a thought may say any of that again.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from chat.events.types import Stamped, Thinking, ThinkingDelta, ToolResult
from chat.models import Actor, Index, Session, Turn
from chat.models.threads import in_thread

CLOSED = (
    "This was found in an index that you may not use, or that was deleted. Ask a manager of its "
    "project for it."
)


def guest_in(session: Session, actor: Actor) -> "Guest | None":
    """Who is reading, unless it is the session's owner."""
    return None if session.owner_id == actor.person.pk else Guest(actor)


class Guest:
    """A reader of somebody else's session, and which indexes of its turns are closed to them."""

    def __init__(self, actor: Actor):
        self.actor = actor
        self._closed: dict[int, Collection[str]] = {}  # ids by turn

    def told(self, events: Collection[Stamped]) -> list[Stamped]:
        """The events as this reader may see them; whole thoughts are left out."""
        self._look({one.turn for one in events} - self._closed.keys())
        return [told for one in events if (told := self._told(one))]

    atold = in_thread(told)

    def _look(self, turns: Collection[int]) -> None:
        if not turns:
            return
        # Whoever asked has been told what was found.
        others = Turn.objects.filter(pk__in=turns).exclude(asked_by=self.actor.person)
        searched = dict(others.values_list("pk", "index_ids"))
        ids = {index_id for of_turn in searched.values() for index_id in of_turn}
        rows = Index.objects.visible_to(self.actor).filter(pk__in=ids)
        open_ones = set(rows.values_list("pk", flat=True))
        for turn in turns:
            self._closed[turn] = set(searched.get(turn, ())) - open_ones

    def _told(self, stamped: Stamped) -> Stamped | None:
        event, closed = stamped.event, self._closed[stamped.turn]
        if closed and isinstance(event, Thinking | ThinkingDelta):
            return None
        if closed and isinstance(event, ToolResult):
            return replace(stamped, event=replace(event, result=_open(event.result, closed)))
        return stamped


def _open(result: Mapping[str, Any], closed: Collection[str]) -> Mapping[str, Any]:
    """What a tool brought from other indexes than those."""
    if "error" in result:
        return result
    if "results" in result:
        return {**result, "results": _of_others(result["results"], closed)}
    # A list of files does not tell which index it is of.
    return {"error": CLOSED} if result.get("index_id") in {None, *closed} else result


def _of_others(found: Iterable[Mapping[str, Any]], closed: Collection[str]) -> list[Any]:
    return [one for one in found if one["index_id"] not in closed]
