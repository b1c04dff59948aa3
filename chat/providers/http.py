"""Requests to an OpenAI-compatible endpoint: one shared client, and patience."""

import asyncio
import email.utils
import logging
import random
import re
import time
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

import aiohttp
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from chat.errors import ModelBusy, ModelError
from chat.providers.failures import (
    CONNECT_TIMEOUT,
    NETWORK_ERRORS,
    Complaint,
    Failures,
    Payload,
    is_passing,
)
from chat.providers.fragments import read_json

logger = logging.getLogger(__name__)

PATIENCE = 30.0  # seconds of waiting between attempts, all together
BACKOFF = (0.25, 0.5, 1.0)  # seconds before the second, third and fourth attempt
COMPLAINT_BYTES = 64 * 1024  # how much of an error's body is read

Simpler = Callable[[Payload, Complaint], Payload | None]


class Endpoint:
    """An address and a key, to post to."""

    def __init__(self, base_url: str, api_key: str, failures: Failures):
        """``base_url`` goes up to and including /v1, and may end in a query, as Azure's do."""
        self.failures = failures
        self._base_url = base_url
        self._key = api_key.strip()

    @asynccontextmanager
    async def post(
        self, path: str, payload: Payload, simpler: Simpler | None = None
    ) -> AsyncIterator[httpx.Response]:
        """A successful response, its body not read yet; leaving ends the request at once.

        Waits and tries again while the endpoint is busy or down, never longer than ``PATIENCE``.
        ``simpler`` may answer a complaint with a smaller payload to try instead. Raises a
        ``ModelError``; failures while the body is read are the caller's to translate.
        """
        response = await self._answer(path, payload, simpler)
        try:
            yield response
        finally:
            await response.aclose()

    async def _answer(self, path: str, payload: Payload, simpler: Simpler | None) -> httpx.Response:
        patience = _Patience()
        while True:
            try:
                response = await self._send(path, payload)
            except NETWORK_ERRORS as exc:
                if not is_passing(exc) or not await patience.wait():
                    raise self.failures.no_answer(exc) from exc
                continue
            if response.is_success:
                return response
            complaint = await _read_complaint(response)
            if simpler and (smaller := simpler(payload, complaint)):
                payload = smaller
                continue
            error = self.refusal(complaint, payload)
            if not isinstance(error, ModelBusy) or not await patience.wait(complaint.retry_after):
                raise error

    def refusal(self, complaint: Complaint, payload: Payload) -> ModelError:
        """The error for a complaint, wherever in an answer it stood."""
        return self.failures.refusal(complaint, payload, self._key)

    async def _send(self, path: str, payload: Payload) -> httpx.Response:
        client = await shared_client()
        address, auth = _address(self._base_url, path)
        request = client.build_request(
            "POST",
            address,
            content=orjson.dumps(payload, option=orjson.OPT_NON_STR_KEYS),
            headers=self._headers(),
            timeout=httpx.Timeout(self.failures.timeout, connect=CONNECT_TIMEOUT),
        )
        return await client.send(request, stream=True, auth=auth)

    def _headers(self) -> dict[str, str]:
        # No compression: a compressed stream is held back until a block is full.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if not (self._key.isascii() and self._key.isprintable()):
            raise self.failures.impossible_key()
        return headers | ({"Authorization": f"Bearer {self._key}"} if self._key else {})


@cache  # it is the same at every request
def _address(base_url: str, path: str) -> tuple[httpx.URL, tuple[str, str] | None]:
    """Where to post, and as whom. Raises ``httpx.InvalidURL``."""
    base = httpx.URL(base_url)
    try:
        base.host.encode("idna")  # else this fails below the transport, as no network error
    except UnicodeError as exc:
        raise httpx.InvalidURL("no host name") from exc
    auth = (base.username, base.password) if base.username else None
    path = base.path.rstrip("/") + path
    return base.copy_with(path=path, username=None, password=None), auth


class _Patience:
    """How much longer to wait for an endpoint that is busy or down."""

    def __init__(self) -> None:
        self._pauses = iter(BACKOFF)
        self._left = PATIENCE

    async def wait(self, wanted: float | None = None) -> bool:
        """Wait, as long as the endpoint wanted if it said so; False to give up instead."""
        pause = next(self._pauses, None)
        if pause is None:
            return False
        # Spread out, or all who were turned away together come back together.
        pause = wanted if wanted is not None else pause * random.uniform(0.7, 1.3)  # noqa: S311
        if pause > self._left:
            return False
        logger.info("endpoint is busy or down, trying again seconds=%.2f", pause)
        self._left -= pause
        await asyncio.sleep(pause)
        return True


async def _read_complaint(response: httpx.Response) -> Complaint:
    body = b""
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > COMPLAINT_BYTES:
                break
        document = read_json(body)
    except (*NETWORK_ERRORS, orjson.JSONDecodeError):
        document = None
    finally:
        await response.aclose()
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
