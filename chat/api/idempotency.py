"""``Idempotency-Key``: a create that is sent twice happens once."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from ninja.operation import Operation
from ninja.utils import contribute_operation_callback
from pydantic import BaseModel

from chat.errors import Conflict, Invalid
from chat.models import CreateOnce

from .routing import Request

KEPT_FOR = timedelta(days=1)
LONGEST = 255  # characters
HEADER = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "Ours: repeated within a day, it is answered as the first call with it was.",
    "schema": {"type": "string", "maxLength": LONGEST},
    "required": False,
}


def idempotent(create: Callable[..., BaseModel]) -> Callable[..., Any]:
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
        try:
            with transaction.atomic():
                first = CreateOnce.objects.create(**place)
        except IntegrityError:
            return repeated(place)
        try:
            answer = create(request, **values)
        except BaseException:
            first.delete()
            raise
        CreateOnce.objects.filter(pk=first.pk).update(answer=answer.model_dump(mode="json"))
        return answer

    contribute_operation_callback(once, document)
    return once


def document(operation: Operation) -> None:
    operation.openapi_extra = {"parameters": [HEADER]}


def repeated(place: dict[str, Any]) -> Any:
    done = CreateOnce.objects.filter(**place).exclude(answer=None).first()
    if done is None:
        raise Conflict("The first call with this Idempotency-Key is still running.")
    return done.answer
