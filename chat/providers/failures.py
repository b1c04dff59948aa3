"""Every way in which an endpoint lets down, turned into a sentence.

A sentence tells a person what to do and names the setting for whoever runs the server. There is
never a key, a prompt or a document in it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx

from chat.errors import (
    ContextTooLong,
    ModelBroken,
    ModelBusy,
    ModelError,
    ModelKeyRejected,
    ModelNotFound,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
    spelled,
)
from chat.providers.fragments import Garbled

CONNECT_TIMEOUT = 10.0  # seconds
BUSY = {429, 502, 503}  # the statuses that waiting may cure

# The transport lets some of aiohttp's exceptions through unmapped, a malformed status line say.
NETWORK_ERRORS = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError)

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error as the endpoint put it. ``detail`` may hold anything, prompts included."""

    status: int
    code: str = ""
    detail: str = ""
    retry_after: float | None = None  # seconds

    def mentions(self, pattern: str) -> bool:
        return re.search(pattern, f"{self.code} {self.detail}", re.IGNORECASE) is not None

    @classmethod
    def of(cls, document: Any, status: int = 0, retry_after: float | None = None) -> "Complaint":
        """Read from any of the shapes in use: ``error`` as object or text, ``detail``, flat."""
        error = document
        if isinstance(document, Mapping):
            error = document.get("error") or document.get("detail") or document
        if not isinstance(error, Mapping):
            return cls(status, "", str(error or ""), retry_after)
        code = " ".join(str(error[key]) for key in ("code", "type") if error.get(key))
        number = error.get("code")
        if not status and isinstance(number, int):
            status = number
        return cls(status, code, str(error.get("message") or ""), retry_after)


def is_passing(exc: Exception) -> bool:
    """Whether trying again may help: refused, or dropped before a word of an answer."""
    cause = exc.__cause__
    hopeless = (
        aiohttp.ClientConnectorDNSError,
        aiohttp.ClientSSLError,
        aiohttp.ServerTimeoutError,
    )
    return isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, hopeless)


@dataclass(frozen=True, slots=True)
class Failures:
    """The errors of one endpoint, under the names that its people know."""

    noun: str  # what a person knows it as: "The model endpoint"
    settings: str  # the settings' prefix: LLM, EMBEDDING or RERANK
    model: str
    timeout: float  # seconds

    def no_answer(self, exc: Exception) -> ModelError:
        """The error for a request that got no answer at all."""
        cause = exc.__cause__ or exc
        check = self._operator("check {settings}_BASE_URL and that the endpoint is running")
        if isinstance(exc, httpx.ReadTimeout):
            return self.silence(begun=False)
        if isinstance(exc, httpx.InvalidURL | httpx.UnsupportedProtocol):
            return ModelUnreachable(
                f"{self.noun}'s address is not one. "
                + self._operator("set {settings}_BASE_URL, like http://localhost:11434/v1")
            )
        if isinstance(cause, aiohttp.ClientConnectorDNSError):
            reason = "its host name is not known"
        elif isinstance(cause, aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch):
            reason = "no secure connection came about (its certificate may not be trusted)"
        elif isinstance(exc, httpx.ProxyError):
            reason = "the proxy before it does not answer"
        elif isinstance(cause, aiohttp.ConnectionTimeoutError):
            reason = f"no connection within {spelled(CONNECT_TIMEOUT)}"
        elif isinstance(cause, aiohttp.ClientConnectorError):
            reason = "nothing answers at its address"
        else:
            return ModelBroken(
                f"{self.noun} closed the connection without an answer. Try again. {check}"
            )
        return ModelUnreachable(
            f"{self.noun} cannot be reached: {reason}. Try again in a moment. {check}"
        )

    def broken_off(self, exc: Exception, begun: bool) -> ModelError:
        """The error for an answer that failed while it was read; ``begun`` after its first word."""
        if isinstance(exc, Garbled):
            return self.nonsense(str(exc))
        return self.silence(begun) if isinstance(exc, httpx.ReadTimeout) else self.closed(begun)

    def closed(self, begun: bool) -> ModelError:
        where = "in mid-answer" if begun else "before its first word"
        return ModelBroken(
            f"{self.noun} closed the connection {where}. Try again. "
            + self._operator("look into the endpoint's log")
        )

    def silence(self, begun: bool) -> ModelError:
        where = "fell silent in mid-answer" if begun else "did not begin to answer"
        return ModelTimeout(
            f"{self.noun} {where}: not a word within {spelled(self.timeout)}. Try again. "
            + self._operator(self._slow)
        )

    def nonsense(self, what: str) -> ModelError:
        """The error for an answer that arrived and cannot be read; ``what`` it is."""
        return ModelBroken(
            f"{self.noun} sent something that cannot be read: {what}. Try again. "
            + self._operator("check that {settings}_BASE_URL is an OpenAI-compatible endpoint")
        )

    def impossible_key(self) -> ModelError:
        return ModelKeyRejected(
            f"{self.noun}'s key holds characters that no key has. "
            + self._operator("set {settings}_API_KEY again")
        )

    def refusal(self, complaint: Complaint, payload: Payload, key: str) -> ModelError:
        """The error for an answer that says no; ``payload`` and ``key`` are kept out of it."""
        status = complaint.status
        if status in (401, 403):
            return ModelKeyRejected(
                f"{self.noun} does not accept this server's key. "
                + self._operator("check {settings}_API_KEY")
            )
        if status == 413 or complaint.mentions(_TOO_LONG):
            return ContextTooLong(
                "This is more text than the model can read at once. Ask for less, or start a new "
                f"session. {self._operator(self._shorter)}"
            )
        if status == 404 or complaint.mentions(_NO_MODEL):
            which = f"the model “{self.model}”" if self.model else "which model is meant"
            return ModelNotFound(
                f"{self.noun} does not know {which}. "
                + self._operator("check {settings}_MODEL, and that {settings}_BASE_URL ends in /v1")
            )
        if complaint.mentions("insufficient_quota|billing"):
            return ModelRefused(
                f"{self.noun}'s account is used up. " + self._operator("look into its billing")
            )
        if status in BUSY:
            return ModelBusy(self._busy(complaint))
        if 300 <= status < 400:
            return ModelRefused(
                f"{self.noun} has moved. "
                + self._operator("set {settings}_BASE_URL to its new address, often https")
            )
        said = _quotable(complaint.detail, key, payload)
        number = f" (HTTP {status})" if status else ""
        return ModelRefused(
            f"{self.noun} answered with an error{number}{f': “{said}”' if said else ''}. "
            "Try again. " + self._operator("look into the endpoint's log")
        )

    @property
    def _slow(self) -> str:
        if self.settings == "LLM":
            return "raise LLM_TIMEOUT if the model is that slow"
        return "look into the endpoint's log"

    @property
    def _shorter(self) -> str:
        if self.settings == "LLM":
            return "lower LLM_CONTEXT_TOKENS to what the model can read"
        return "choose an {settings}_MODEL that reads longer passages"

    def _busy(self, complaint: Complaint) -> str:
        when = "in a minute"
        if complaint.retry_after:
            when = f"in {spelled(complaint.retry_after)}"
        state, advice = "is overloaded or still starting", "look into the endpoint's log"
        if complaint.status == 429:
            state, advice = "has too much to do", "raise the endpoint's limits"
        return f"{self.noun} {state}. Try again {when}. {self._operator(advice)}"

    def _operator(self, advice: str) -> str:
        return f"Whoever runs this server can {advice.format(settings=self.settings)}."


_TOO_LONG = (
    r"context[ _](length|window|size)|maximum context|too many (input )?tokens"
    r"|(prompt|input|request) is too (long|large)|reduce the length"
)
_NO_MODEL = (
    r"model[ _]not[ _](found|exist)|invalid model|unknown model|no such model"
    r"|model\b[^.]{0,120}\b(not found|does not exist|is not available)"
)


def _quotable(detail: str, key: str, payload: Payload) -> str:
    """The endpoint's own words, short, or "" when they repeat a key or what was sent.

    Validating endpoints like to quote the request they refuse, and that holds the documents.
    """
    detail = " ".join(detail.split())[:300].rstrip(". ")
    if not detail or (key and key[:12] in detail):
        return ""
    sent = " ".join(" ".join(text.split()) for text in _texts(payload))
    window = 24
    pieces = (detail[at : at + window] for at in range(max(1, len(detail) - window + 1)))
    if any(piece in sent for piece in pieces if len(piece) == window):
        return ""
    whole = (text.strip() for text in _texts(payload))
    return "" if any(len(text) > 5 and text in detail for text in whole) else detail


def _texts(payload: Payload) -> list[str]:
    messages = [message.get("content") or "" for message in payload.get("messages", ())]
    asked = [payload["query"]] if "query" in payload else []
    return [*messages, *asked, *payload.get("input", ()), *payload.get("documents", ())]
