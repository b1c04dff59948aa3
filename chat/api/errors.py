"""One shape for everything that goes wrong: ``{"detail": …}``."""

import logging
from collections.abc import Sequence
from typing import Any

import pydantic
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError, ValidationErrorContext
from pydantic import BaseModel

from chat.bodies import SEND_KEY
from chat.errors import (
    CarrelError,
    Invalid,
    ModelError,
    NoKey,
    NoRoom,
    QuotaReached,
    Settled,
    Unavailable,
    is_full,
)

from .json import answer

logger = logging.getLogger(__name__)


PATIENCE = 60  # seconds that the SDKs wait if told to; told to wait longer, they ask again soon


class Problem(BaseModel):
    """What went wrong, in a sentence."""

    detail: str


class Fault(BaseModel):
    loc: list[str | int]
    msg: str
    type: str


class Faults(BaseModel):
    """What is wrong with the request; ``loc`` begins with the part of it that is wrong."""

    detail: list[Fault]


# What any operation may answer: all of them read a query, a key, a project and the database.
EVERYWHERE = {400: Problem, 401: Problem, 404: Problem, 422: Faults, 503: Problem}


def or_else(*statuses: int) -> dict[int, type[BaseModel]]:
    """What else an operation may answer: 403, 409; 413 where it takes a body; 429 where it asks."""
    return dict.fromkeys(statuses, Problem)


def problem(detail: Any, status: int, **headers: str) -> HttpResponse:
    response = answer({"detail": detail}, status)
    for name, value in headers.items():
        response[name.replace("_", "-")] = value
    return response


def faults(contexts: Sequence[ValidationErrorContext]) -> ValidationError:
    """Pydantic's errors without the input they quote and without the name of our parameter."""
    found = []
    for context in contexts:
        source = str(context.model.__ninja_param_source__)
        place = "body" if source in {"form", "file"} else source
        wrappers = {
            name
            for name, field in context.model.model_fields.items()
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        }
        for error in context.pydantic_validation_error.errors(include_url=False):
            loc = (
                error["loc"][1:]
                if error["loc"][:1] and error["loc"][0] in wrappers
                else error["loc"]
            )
            found.append({"loc": [place, *loc], "msg": error["msg"], "type": error["type"]})
    return ValidationError(found)


def on_carrel_error(request: HttpRequest, exc: CarrelError) -> HttpResponse:
    match exc:
        case Invalid():
            return problem([{"loc": exc.loc, "msg": exc.message, "type": exc.code}], 422)
        case Settled():
            return problem(exc.message, exc.status, x_should_retry="false")
        case QuotaReached():
            settled = {"x_should_retry": "false"} if exc.wait > PATIENCE else {}
            return problem(exc.message, exc.status, Retry_After=str(exc.wait), **settled)
        case Unavailable() | ModelError():
            return problem(exc.message, Unavailable.status, Retry_After="2")
    return problem(exc.message, exc.status)


def on_http_error(request: HttpRequest, exc: HttpError) -> HttpResponse:
    if isinstance(exc.__cause__, CarrelError):  # what our parser said about the body
        return on_carrel_error(request, exc.__cause__)
    return problem(exc.message, exc.status_code)


def on_missing_key(request: HttpRequest, exc: AuthenticationError) -> HttpResponse:
    return problem(SEND_KEY, NoKey.status, WWW_Authenticate="Bearer")


def on_suspicion(request: HttpRequest, exc: SuspiciousOperation) -> HttpResponse:
    if isinstance(exc, RequestDataTooBig):
        return problem("The body of this request is too large.", 413)
    return problem("This request cannot be read.", 400)


def on_database_down(request: HttpRequest, exc: OperationalError) -> HttpResponse:
    if is_full(exc):
        return on_full_disk(request, exc)
    logger.error("database unavailable path=%s error=%s", request.path, exc)
    return problem("The database is not available just now.", 503, Retry_After="2")


def on_full_disk(request: HttpRequest, exc: Exception) -> HttpResponse:
    logger.error("the disk is full, make room path=%s error=%s", request.path, exc)
    return on_carrel_error(request, NoRoom())


def on_os_error(request: HttpRequest, exc: OSError) -> HttpResponse:
    return on_full_disk(request, exc) if is_full(exc) else on_bug(request, exc)


def on_bug(request: HttpRequest, exc: Exception) -> HttpResponse:
    logger.error("request failed path=%s", request.path, exc_info=exc)
    return problem("Something went wrong here. The log has the details.", 500)


@csrf_exempt  # the answer is the same for whoever asks
def no_such_route(request: HttpRequest, path: str = "") -> HttpResponse:
    return problem("Not found.", 404)


def install(api: NinjaAPI) -> None:
    for kind, handler in {
        CarrelError: on_carrel_error,
        ValidationError: lambda _request, exc: problem(exc.errors, 422),
        AuthenticationError: on_missing_key,
        HttpError: on_http_error,
        SuspiciousOperation: on_suspicion,
        OperationalError: on_database_down,
        OSError: on_os_error,
        pydantic.ValidationError: on_bug,
        Exception: on_bug,
    }.items():
        api.add_exception_handler(kind, handler)
