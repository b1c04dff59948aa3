"""Vectors for a sync: asked for with patience, and waited for no longer than the work may go on."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice

from chat.errors import ModelBusy, ModelTimeout, ModelUnreachable
from chat.providers.base import Embedder, Vectors

from .leases import Lease

AT_ONCE = 512  # texts
PATIENCE = (2, 10, 30)  # seconds before asking an embedding endpoint again that was no use


class PatientEmbedder:
    """An embedder, as one sync uses it."""

    def __init__(self, embedder: Embedder, lease: Lease, runner: asyncio.Runner):
        self.name = embedder.name
        self._embedder = embedder
        self._lease = lease
        self._runner = runner

    def vectors(self, texts: Iterable[str]) -> Iterator[bytes]:
        """One a text, in order: float32, little-endian. Raises ``Broken`` and ``ModelError``."""
        texts = iter(texts)
        while some := list(islice(texts, AT_ONCE)):
            for row in self._ask(some).astype("<f4", copy=False):
                yield row.tobytes()

    def _ask(self, texts: list[str]) -> Vectors:
        for pause in (*PATIENCE, None):
            self._lease.check()
            try:
                # Not ``Runner.run``: it renews its signal handling each time, which takes longer
                # than embedding a small file.
                return self._runner.get_loop().run_until_complete(self._answer(texts))
            except (ModelBusy, ModelTimeout, ModelUnreachable):
                if pause is None:
                    raise
                self._lease.wait(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _answer(self, texts: list[str]) -> Vectors:
        asking = asyncio.ensure_future(self._embedder.embed(texts))
        try:
            while not (await asyncio.wait([asking], timeout=0.5))[0]:
                self._lease.check()
        finally:
            asking.cancel()
        return asking.result()
