"""The wire format of server-sent events; nothing else knows it."""

PING = b": ping\n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def frame(data: str, *, id: int | str | None = None, event: str | None = None) -> bytes:
    """One event as one write. ``data`` may hold several lines; each gets its own field."""
    fields = []
    if id is not None:
        fields.append(f"id: {id}")
    if event is not None:
        fields.append(f"event: {event}")
    fields.extend(f"data: {line}" for line in data.split("\n"))
    return ("\n".join(fields) + "\n\n").encode()
