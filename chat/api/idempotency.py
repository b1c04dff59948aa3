"""``Idempotency-Key``: a create that is sent twice happens once.

The first call leaves a row that says it is at work, and its answer when it is done. A process that
is killed in between leaves a row that nobody will ever answer; after the lease, the next call with
that key takes it over. What was made is saved together with the answer, or not at all; but for
uploads, since no transaction is to wait for a disk: one whose process was killed in the moment
between may be there twice.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial, wraps
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from ninja.operation import Operation
from ninja.utils import contribute_operation_callback
from pydantic import BaseModel

from chat.errors import Conflict, Invalid
from chat.models import CreateOnce

from .routing import Request

KEPT_FOR = timedelta(days=1)
LEASE = timedelta(seconds=90)  # the SDKs send again after a minute; the first may still be at work
LONGEST = 255  # characters
STILL_RUNNING = "The first call with this Idempotency-Key is still running. Repeat it in a moment."
HEADER = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "Ours: repeated within a day, it is answered as the first call with it was.",
    "schema": {"type": "string", "maxLength": LONGEST},
    "required": False,
}


def idempotent(
    create: Callable[..., BaseModel],
    together: Callable[[], AbstractContextManager[Any]] = transaction.atomic,
) -> Callable[..., Any]:
    """Answers a repeated key with what the first call with it answered."""

    @wraps(create)
    def once(request: Request, **values: Any) -> Any:
        name = request.headers.get("Idempotency-Key", "")
        if not name:
            return create(request, **values)
        if len(name) > LONGEST:
            raise Invalid(f"An Idempotency-Key has at most {LONGEST} characters.", where="header")
        CreateOnce.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
        place = {"key": request.auth.key, "name": name, "route": f"{request.method} {request.path}"}
        mine = claim(place)
        if mine is None:
            return CreateOnce.objects.get(**place).answer
        try:
            with together():
                answer = create(request, **values)
                mine.update(answer=answer.model_dump(mode="json"))
        except BaseException:
            mine.delete()
            raise
        return answer

    contribute_operation_callback(once, document)
    return once


idempotent_upload = partial(idempotent, together=nullcontext)


def document(operation: Operation) -> None:
    operation.openapi_extra = {"parameters": [HEADER]}


def claim(place: dict[str, Any]) -> QuerySet[CreateOnce] | None:
    """The row of this call, for as long as it is this call's; None if another was answered.

    Raises ``Conflict`` while another is at work.
    """
    rows = CreateOnce.objects.filter(**place)
    try:
        with transaction.atomic():
            since = CreateOnce.objects.create(**place).created_at
    except IntegrityError:
        since = timezone.now()
        abandoned = rows.filter(answer__isnull=True, created_at__lt=since - LEASE)
        if not abandoned.update(created_at=since):
            if rows.filter(answer__isnull=False).exists():
                return None
            raise Conflict(STILL_RUNNING) from None
    return rows.filter(created_at=since)
