"""Requests to an OpenAI-compatible endpoint: one shared client, patience, and plain sentences.

Failing has many shapes here and one outcome: a ``ModelError`` that tells a person what to do and
names the setting for whoever runs the server, without a key, a prompt or a document in it.
"""

import asyncio
import email.utils
import logging
import random
import re
import time
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import aiohttp
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

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
)
from chat.providers.fragments import Garbled

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0  # seconds
PATIENCE = 30.0  # seconds of waiting between attempts, all together
BACKOFF = (0.25, 0.5, 1.0)  # seconds before the second, third and fourth attempt
BUSY = {429, 502, 503}  # the statuses that waiting may cure
COMPLAINT_BYTES = 64 * 1024  # how much of an error's body is read

Payload = dict[str, Any]

# The transport lets some of aiohttp's exceptions through unmapped, a malformed status line say.
NETWORK_ERRORS = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError)


# One client a loop ------------------------------------------------------------------------------

_clients: dict[
    asyncio.AbstractEventLoop, tuple[httpx.AsyncClient, AsyncGenerator[httpx.AsyncClient]]
] = {}


async def shared_client() -> httpx.AsyncClient:
    """The client of the running loop; it closes with the loop, or by ``close_client``."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        keeper = _keep_client(loop)
        _clients[loop] = (await anext(keeper), keeper)
    return _clients[loop][0]


async def close_client() -> None:
    """Close the running loop's client, for servers that end without closing their loop."""
    if kept := _clients.get(asyncio.get_running_loop()):
        await kept[1].aclose()


async def _keep_client(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[httpx.AsyncClient]:
    # A generator, because a loop that ends closes its open generators, and so the connections.
    transport = AiohttpTransport(verify=_tls(), client=_open_session)
    async with httpx.AsyncClient(transport=transport) as client:
        try:
            yield client
        finally:
            del _clients[loop]


def _open_session() -> aiohttp.ClientSession:
    # No limit: with one, the stream after it would wait for another to end. A minute of keep-alive
    # saves the next prompt a TLS handshake. Proxies are asked for only where some are set, since
    # aiohttp then also reads .netrc for every request.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=_tls())
    return aiohttp.ClientSession(connector=connector, trust_env=bool(urllib.request.getproxies()))


_tls = cache(httpx.create_ssl_context)  # reading the certificates takes 20 ms


# What an endpoint says is wrong -----------------------------------------------------------------


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


async def _read_complaint(response: httpx.Response) -> Complaint:
    body = b""
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > COMPLAINT_BYTES:
                break
        document = orjson.loads(body)
    except (*NETWORK_ERRORS, orjson.JSONDecodeError):
        document = None
    after = _seconds(response.headers.get("retry-after", ""))
    return Complaint.of(document, response.status_code, after)


def _seconds(retry_after: str) -> float | None:
    """A ``Retry-After`` header, seconds or a date, as seconds from now; None if neither."""
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", retry_after):
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


def _spelled(seconds: float) -> str:
    if seconds >= 120:
        return f"{seconds / 60:.0f} minutes"
    return "1 second" if seconds == 1 else f"{seconds:.3g} seconds"


# The endpoint -----------------------------------------------------------------------------------

Simpler = Callable[[Payload, Complaint], Payload | None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, a key and a model, and what its settings are called."""

    base_url: str  # up to and including /v1
    api_key: str
    model: str
    timeout: float  # seconds of silence
    settings: str  # the settings' prefix: LLM or EMBEDDING
    noun: str  # what a person knows it as: "The model endpoint"

    @asynccontextmanager
    async def post(
        self, path: str, payload: Payload, simpler: Simpler | None = None
    ) -> AsyncIterator[httpx.Response]:
        """A successful response, its body not read yet; leaving ends the request at once.

        Waits and tries again while the endpoint is busy or down, never longer than ``PATIENCE``.
        ``simpler`` may answer a complaint with a smaller payload to try instead.
        """
        response = await self._answer(path, payload, simpler)
        try:
            yield response
        finally:
            await response.aclose()

    async def _answer(self, path: str, payload: Payload, simpler: Simpler | None) -> httpx.Response:
        pauses, waited = iter(BACKOFF), 0.0
        while True:
            try:
                response = await self._send(path, payload)
            except NETWORK_ERRORS as exc:
                error, cause, curable, wanted = self.no_answer(exc), exc, _passing(exc), None
            else:
                if response.is_success:
                    return response
                complaint = await self._complaint(response)
                if simpler and (smaller := simpler(payload, complaint)):
                    payload = smaller
                    continue
                error, cause = self.refusal(complaint, payload), None
                curable, wanted = isinstance(error, ModelBusy), complaint.retry_after
            pause = next(pauses, None) if curable else None
            if pause is not None:
                # Spread out, or all who were refused together come back together.
                pause = wanted if wanted is not None else pause * random.uniform(0.7, 1.3)  # noqa: S311
            if pause is None or waited + pause > PATIENCE:
                raise error from cause
            logger.info("%s is busy or down, trying again seconds=%.2f", self.noun, pause)
            waited += pause
            await asyncio.sleep(pause)

    async def _send(self, path: str, payload: Payload) -> httpx.Response:
        client = await shared_client()
        base = httpx.URL(self.base_url)  # may end in a query, as Azure's do
        request = client.build_request(
            "POST",
            base.copy_with(path=base.path.rstrip("/") + path),
            content=orjson.dumps(payload, option=orjson.OPT_NON_STR_KEYS),
            headers=self._headers(),
            timeout=httpx.Timeout(self.timeout, connect=CONNECT_TIMEOUT),
        )
        return await client.send(request, stream=True)

    def _headers(self) -> dict[str, str]:
        # No compression: a compressed stream is held back until a block is full.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        key = self.api_key.strip()
        if not (key.isascii() and key.isprintable()):
            raise ModelKeyRejected(
                f"{self.noun}'s key holds characters that no key has. "
                + self._operator("set {settings}_API_KEY again")
            )
        return headers | ({"Authorization": f"Bearer {key}"} if key else {})

    async def _complaint(self, response: httpx.Response) -> Complaint:
        try:
            return await _read_complaint(response)
        finally:
            await response.aclose()

    # From what went wrong to what to do --------------------------------------------------------

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
            reason = f"no connection within {_spelled(CONNECT_TIMEOUT)}"
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
            f"{self.noun} {where}: not a word within {_spelled(self.timeout)}. Try again. "
            + self._operator(self._slow)
        )

    def nonsense(self, what: str) -> ModelError:
        """The error for an answer that arrived and cannot be read; ``what`` it is."""
        return ModelBroken(
            f"{self.noun} sent something that cannot be read: {what}. Try again. "
            + self._operator("check that {settings}_BASE_URL is an OpenAI-compatible endpoint")
        )

    def refusal(self, complaint: Complaint, payload: Payload) -> ModelError:
        """The error for an answer that says no."""
        status = complaint.status
        if status in (401, 403):
            return ModelKeyRejected(
                f"{self.noun} does not accept this server's key. "
                + self._operator("check {settings}_API_KEY")
            )
        if status == 413 or complaint.mentions(_TOO_LONG):
            return ContextTooLong(
                "This is more text than the model can read at once. Ask for less, or start a new "
                f"conversation. {self._operator(self._shorter)}"
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
        said = _quotable(complaint.detail, self.api_key, payload)
        number = f" (HTTP {status})" if status else ""
        return ModelRefused(
            f"{self.noun} answered with an error{number}{f': “{said}”' if said else ''}. "
            f"Try again. {self._operator('look into the endpoint’s log')}"
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
            when = f"in {_spelled(complaint.retry_after)}"
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


def _passing(exc: Exception) -> bool:
    """Whether trying again may help: refused, or dropped before a word of an answer."""
    cause = exc.__cause__
    hopeless = (
        aiohttp.ClientConnectorDNSError,
        aiohttp.ClientSSLError,
        aiohttp.ServerTimeoutError,
    )
    return isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, hopeless)


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
    return [*messages, *payload.get("input", ())]
