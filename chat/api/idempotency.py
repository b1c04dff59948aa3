"""``Idempotency-Key``: a create that is sent twice happens once."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from pydantic import BaseModel

from chat.errors import Conflict, Invalid
from chat.models import CreateOnce

from .routing import Request

KEPT_FOR = timedelta(days=1)


def idempotent(create: Callable[..., BaseModel]) -> Callable[..., Any]:
    """Answers a repeated key with what the first call with it answered."""

    @wraps(create)
    def once(request: Request, **values: Any) -> Any:
        name = request.headers.get("Idempotency-Key", "")
        if not name:
            return create(request, **values)
        if len(name) > 255:
            raise Invalid("An Idempotency-Key has at most 255 characters.", where="header")
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

    return once


def repeated(place: dict[str, Any]) -> Any:
    done = CreateOnce.objects.filter(**place).exclude(answer=None).first()
    if done is None:
        raise Conflict("The first call with this Idempotency-Key is still running.")
    return done.answer
