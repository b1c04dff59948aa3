from typing import Any, ClassVar

from django.contrib import admin
from django.utils.text import Truncator

from chat.models import Event

from .base import ReadOnly
from .reasons import AsksForReason


@admin.register(Event)
class EventAdmin(AsksForReason, ReadOnly):
    """The list says that something happened; what it was is for those who may read the session."""

    list_display: ClassVar = ["seq", "type", "session", "created_at"]
    list_filter: ClassVar = ["type", "created_at"]
    list_select_related: ClassVar = ["session"]
    search_fields: ClassVar = ["=session__id"]
    ordering: ClassVar = ["-id"]
    date_hierarchy = "created_at"


def summary(event: Event) -> str:
    """One line that tells this event from its neighbours."""
    payload = event.payload
    match event.type:
        case Event.Type.TOOL_CALL:
            arguments = ", ".join(
                f"{name}={value!r}" for name, value in payload["arguments"].items()
            )
            line = f"{payload['name']}({arguments})"
        case Event.Type.TOOL_RESULT:
            line = f"{payload['name']}: {_found(payload['result'])}"
        case Event.Type.STOP:
            usage = payload["usage"]
            end = payload["error"] or "done"
            line = f"{end} ({usage['turns']} rounds, {usage['duration_ms'] / 1000:.1f} s)"
        case _:
            line = payload["content"]
    return Truncator(" ".join(line.split())).chars(200)


def _found(result: dict[str, Any]) -> str:
    """What a search has found, best first, with how well it fits; of other tools all they said."""
    if not (found := result.get("results")):
        return str(result)
    files = ((one["number"], one["metadata"]["file_name"], one["score"]) for one in found)
    best = ", ".join(f"[{number}] {name} {score:.2f}" for number, name, score in files)
    return f"{len(found)} passages: {best}"
