"""For whatever watches over this process: is it up, and may it be sent work?"""

import asyncio
from functools import cache

from asgiref.sync import sync_to_async
from channels.layers import DEFAULT_CHANNEL_LAYER, channel_layers
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

PATIENCE = 3.0  # seconds


@require_safe
@never_cache
async def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers at all; it asks nobody else."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
async def readyz(request: HttpRequest) -> JsonResponse:
    """200 when a person could work, else 503: ``{"status": ok|unavailable, "reasons": [...]}``."""
    troubles = await asyncio.gather(sync_to_async(_database_trouble)(), _layer_trouble())
    reasons = [trouble for trouble in troubles if trouble]
    if reasons:
        return JsonResponse({"status": "unavailable", "reasons": reasons}, status=503)
    return JsonResponse({"status": "ok", "reasons": []})


def _database_trouble() -> str:
    try:
        applied = MigrationRecorder(connections["default"]).applied_migrations()
    except Exception as error:
        return f"The database does not answer ({type(error).__name__})."
    if _latest_migrations() - applied.keys():
        return "Migrations are not applied: run manage.py migrate."
    return ""


@cache
def _latest_migrations() -> frozenset[tuple[str, str]]:
    """The last one of each app, as this process has them on disk; that cannot change under it."""
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).graph.leaf_nodes())


async def _layer_trouble() -> str:
    try:
        # A message to a group nobody is in: it must reach the layer, and leaves nothing behind.
        sent = channel_layers[DEFAULT_CHANNEL_LAYER].group_send("readyz", {"type": "none"})
        await asyncio.wait_for(sent, PATIENCE)
    except Exception as error:
        return f"The channel layer does not answer ({type(error).__name__})."
    return ""
