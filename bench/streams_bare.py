"""The bare relay of ``bench.streams``: the least that a Django view under daphne can do.

It asks the endpoint and passes each delta on as an event; no key, no permission, no retrieval,
nothing kept. What Carrel takes more is what Carrel does.

    python -m daphne -p PORT bench.streams_bare:application
"""

import json
import os
from collections.abc import AsyncIterator

import aiohttp
import django
import httpx
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from httpx_aiohttp import AiohttpTransport

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[], SECRET_KEY="bench")
django.setup()

_clients: list[httpx.AsyncClient] = []


def endpoint() -> httpx.AsyncClient:
    if not _clients:
        transport = AiohttpTransport(
            client=lambda: aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        _clients.append(
            httpx.AsyncClient(
                transport=transport, base_url=os.environ["LLM_BASE_URL"], timeout=None
            )
        )
    return _clients[0]


async def answer(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(relayed(request.body), content_type="text/event-stream")


async def relayed(body: bytes) -> AsyncIterator[bytes]:
    async with endpoint().stream("POST", "/chat/completions", content=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                chunk = json.loads(line[6:])
                yield f"data: {json.dumps({'choices': chunk['choices']})}\n\n".encode()
    yield b"data: [DONE]\n\n"


async def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("v1/chat/completions", answer), path("alive", alive)]
application = get_asgi_application()
