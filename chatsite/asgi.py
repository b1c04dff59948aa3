"""The web process, for daphne, uvicorn or any other ASGI server."""

import gc
import os
from typing import Any

from django.core.asgi import get_asgi_application
from django.core.signals import request_started
from django.db import close_old_connections, reset_queries

from chat.bodies import limited

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

django = get_asgi_application()

from chat.api.auth import is_known  # noqa: E402  # the apps are loaded by now

answer = limited(django, is_known)

# Under ASGI Django starts a thread for every request to do these two in, before anything else:
# a new one, which has no connection that could be old.
request_started.disconnect(close_old_connections)
request_started.disconnect(reset_queries)

# What is loaded by now stays; to look for rubbish in it again and again, every 700 objects, was a
# tenth of what an answer costs.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await (live(receive, send) if scope["type"] == "lifespan" else answer(scope, receive, send))


async def live(receive: Any, send: Any) -> None:
    """From the server's start to its end, before which running turns come to theirs."""
    from chat import runs  # the apps are loaded by now
    from chat.runs import watch

    await receive()
    watch.begin()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    watch.end()
    await runs.drain()
    await send({"type": "lifespan.shutdown.complete"})
