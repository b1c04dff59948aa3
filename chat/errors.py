"""What can go wrong, and what to say about it.

CarrelError
├── NoKey              401  the API knows nobody by that key
├── NotFound           404  it is not there, or not yours: the two read alike
├── Forbidden          403  yours to see, not to change
├── Invalid            422  the request makes no sense as it stands
├── Conflict           409  right request, wrong moment
│   └── Settled        409  ... and waiting will not change it
├── TooLarge           413
├── QuotaReached       429  asked too much for now
├── Unavailable        503  something this needs is down
│   ├── SearchFailed
│   └── NoRoom             ... a disk, which is full
├── UnreadableFile     a file that cannot be turned into text
└── ModelError         the model endpoint let the turn down
    ├── ModelRefused       it answered with an error
    │   ├── ModelKeyRejected
    │   ├── ModelNotFound
    │   ├── ModelBusy
    │   └── ContextTooLong
    ├── ModelUnreachable   no connection
    ├── ModelTimeout       connected, then silent
    └── ModelBroken        cut off, or talking nonsense

Every message is a sentence that may be shown to a person and says what to do next.
"""

import errno
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

NO_ROOM = (
    "Nothing can be saved: the server's disk is full. Whoever runs this server can make room; "
    "then try again."
)


class CarrelError(Exception):
    """Base of all. ``code`` is stable and for programs; ``str(error)`` is for people."""

    code = "error"
    status = 500

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


class NoKey(CarrelError):
    code = "no_key"
    status = 401


class NotFound(CarrelError):
    code = "not_found"
    status = 404

    def __init__(self, message: str = "Not found."):
        super().__init__(message)


class Forbidden(CarrelError):
    code = "forbidden"
    status = 403


class Invalid(CarrelError):
    """``field`` names what is wrong in the request, as a path below its body or query."""

    code = "invalid"
    status = 422

    def __init__(self, message: str, *field: str | int, where: str = "body"):
        super().__init__(message)
        self.loc = (where, *field)


class Conflict(CarrelError):
    code = "conflict"
    status = 409


class Settled(Conflict):
    """A conflict that trying again cannot cure; the API says so to clients that retry."""

    code = "settled"


class TooLarge(CarrelError):
    code = "too_large"
    status = 413


class QuotaReached(CarrelError):
    """``wait`` is after how many seconds there will be room again."""

    code = "quota_reached"
    status = 429

    def __init__(self, message: str, wait: int):
        super().__init__(message)
        self.wait = wait


class Unavailable(CarrelError):
    code = "unavailable"
    status = 503


class SearchFailed(Unavailable):
    code = "search_failed"


class NoRoom(Unavailable):
    code = "no_room"

    def __init__(self, message: str = NO_ROOM):
        super().__init__(message)


class UnreadableFile(CarrelError):
    code = "unreadable_file"
    status = 422


class ModelError(CarrelError):
    code = "model_error"
    status = 502


class ModelRefused(ModelError):
    code = "model_refused"


class ModelKeyRejected(ModelRefused):
    code = "model_key_rejected"


class ModelNotFound(ModelRefused):
    code = "model_not_found"


class ModelBusy(ModelRefused):
    code = "model_busy"


class ContextTooLong(ModelRefused):
    code = "context_too_long"


class ModelUnreachable(ModelError):
    code = "model_unreachable"


class ModelTimeout(ModelError):
    code = "model_timeout"


class ModelBroken(ModelError):
    code = "model_broken"


def spelled(seconds: float) -> str:
    """A stretch of time for people, rounded up; ``chat.web.said`` says it in other languages."""
    if seconds >= 7_200:
        return f"{math.ceil(seconds / 3_600)} hours"
    if seconds >= 120:
        return f"{math.ceil(seconds / 60)} minutes"
    return "1 second" if seconds == 1 else f"{seconds:.3g} seconds"


def is_full(exc: BaseException | None) -> bool:
    """Whether a file or a database refused what was written for want of room."""
    cause = (exc and exc.__cause__) or exc
    return (
        getattr(cause, "errno", 0) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        or getattr(cause, "sqlite_errorname", "") in _FULL_SQLITE
        or getattr(cause, "sqlstate", "") == _FULL_POSTGRES
    )


@contextmanager
def if_there_is_room() -> Iterator[None]:
    """For what can be done without: who can save nothing can still read."""
    try:
        yield
    except Exception as exc:
        if not is_full(exc):
            raise
        logger.error("the disk is full, make room error=%s", exc)


# Of the system's reasons SQLite tells but ENOSPC; a quota or a limit is an error in writing, of
# which its full text tells no more than that it is one.
_FULL_SQLITE = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR")
_FULL_POSTGRES = "53100"
