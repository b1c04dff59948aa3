"""A process that embeds many texts, beside the one that stores what becomes of them.

Python does one thing at a time in a process, and a sync would wait half its time for its turn.
"""

import atexit
import json
import logging
import select
import sys
import threading
from collections.abc import Callable, Sequence

import numpy as np

from chat.children import Child, answers_of_this_child, receive, send
from chat.errors import ModelTimeout, ModelUnreachable
from chat.providers.base import Vectors

logger = logging.getLogger(__name__)

_TIMEOUT = 60  # seconds for an answer, which takes a tenth of one
_IDLE = 60  # seconds without a question, after which the process gives its memory back

ENDED = "The process that embeds texts ended; the worker's log may tell why. Sync again."
SILENT = "The process that embeds texts did not answer. Sync again."


class Apart:
    """An ``encode`` that runs as ``python -m module``, which is to ``serve`` it.

    Started at the first text, and again when it has ended. Threads wait for one another, but for
    ``stop``.
    """

    def __init__(self, module: str, size: int, idle: float = _IDLE):
        self._arguments = module, str(idle)
        self._size = size
        self._child: Child | None = None
        self._lock = threading.Lock()  # for the one question at hand
        atexit.register(self.close)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row a text. Raises ``ModelUnreachable`` and ``ModelTimeout``: ask again."""
        with self._lock:
            if self._child is not None and self._child.has_ended():
                self.close()
            try:
                child = self._child = self._child or Child(*self._arguments)
            except OSError as error:  # no memory for it
                raise ModelUnreachable(ENDED) from error
            try:
                with child.within(_TIMEOUT):
                    send(child.questions, json.dumps(texts).encode())
                    vectors = np.frombuffer(receive(child.answers), np.float32)
            except (BrokenPipeError, EOFError) as error:
                logger.warning(
                    "the embedding process ended error=%s",
                    child.last_words().decode(errors="replace")[-2000:],
                )
                self.close()
                raise (
                    ModelTimeout(SILENT) if child.timed_out else ModelUnreachable(ENDED)
                ) from error
            except BaseException:
                self.close()  # in the middle of its answer, it is of no use any more
                raise
        return vectors.reshape(len(texts), self._size)

    def stop(self) -> None:
        """Break off the question at hand, from any thread."""
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()


def serve(encode: Callable[[Sequence[str]], Vectors]) -> None:
    """Be the process: answer until the questions end, or none has come for long."""
    answers, idle = answers_of_this_child(), float(sys.argv[1])
    while select.select([sys.stdin], [], [], idle)[0]:
        try:
            texts = json.loads(receive(sys.stdin.buffer))
        except EOFError:
            return
        send(answers, encode(texts).tobytes())
