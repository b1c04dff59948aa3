"""A word between web processes: something is new, or must stop. It never carries data.

All processes are members of one channels group. With the in-memory layer there is nobody else to
tell, and nothing is sent; followers of turns elsewhere then poll a little more often.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

logger = logging.getLogger(__name__)

GROUP = "carrel"
RETRY_AFTER = 1.0  # seconds, when the layer cannot be reached


class Bell:
    """This process's place in the group. Messages are ``{type: "carrel.<kind>", "ids": [...]}``."""

    def __init__(self) -> None:
        self._listeners: dict[str, Callable[[list[Any]], None]] = {}
        self._listening: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self.reaches_others = False  # True while the layer is being heard
        self._is_broken = False  # the last ring failed, and it was said

    def on(self, kind: str, listener: Callable[[list[Any]], None]) -> None:
        """Call this, on the event loop, for every message of a kind."""
        self._listeners[kind] = listener

    def listen(self) -> None:
        """Begin to hear the others, if there is a layer that reaches them. Safe to repeat."""
        loop = asyncio.get_running_loop()
        task = self._listening
        if task is not None and not task.done() and task.get_loop() is loop:
            return
        if _layer() is not None:
            self._listening = loop.create_task(self._listen())

    def ring(self, kind: str, ids: list[Any]) -> None:
        """``send`` without waiting for it."""
        if _layer() is not None:
            task = asyncio.get_running_loop().create_task(self.send(kind, ids))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def send(self, kind: str, ids: list[Any]) -> None:
        """Tell the others. A message that gets lost costs them a poll, never a word."""
        layer = _layer()
        if layer is None:
            return
        try:
            await layer.group_send(GROUP, {"type": f"carrel.{kind}", "ids": ids})
            self._is_broken = False
        except Exception as exc:
            if not self._is_broken:  # once, not for every event until it is mended
                logger.warning("the bell does not ring; others poll meanwhile error=%s", exc)
            self._is_broken = True

    async def _listen(self) -> None:
        while (layer := _layer()) is not None:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                self.reaches_others = True
                while True:
                    self._hear(await layer.receive(channel))
            except Exception:
                self.reaches_others = False
                logger.warning("the bell is not heard; polling meanwhile", exc_info=True)
                await asyncio.sleep(RETRY_AFTER)

    def _hear(self, message: dict[str, Any]) -> None:
        listener = self._listeners.get(message["type"].removeprefix("carrel."))
        if listener:
            listener(message["ids"])


def _layer() -> Any:
    """The channel layer; None for the one that ends at this process."""
    layer = get_channel_layer()
    return None if isinstance(layer, InMemoryChannelLayer) else layer


bell = Bell()
