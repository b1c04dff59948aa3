"""A process that embeds many texts, beside the one that stores what becomes of them.

Python does one thing at a time in a process, and a sync would wait half its time for its turn.
"""

import atexit
import json
import logging
import select
import sys
from collections.abc import Callable, Sequence

import numpy as np

from chat.children import Asker, Ended, answers_of_this_child, receive, send
from chat.errors import ModelTimeout, ModelUnreachable
from chat.providers.base import Vectors

logger = logging.getLogger(__name__)

_TIMEOUT = 60  # seconds for an answer, which takes a tenth of one
_IDLE = 60  # seconds without a question, after which the process gives its memory back

ENDED = "The process that embeds texts ended; the worker's log may tell why. Sync again."
SILENT = "The process that embeds texts did not answer. Sync again."


class Apart(Asker):
    """An ``encode`` that runs as ``python -m module``, which is to ``serve`` it."""

    def __init__(self, module: str, size: int, idle: float = _IDLE):
        super().__init__(module, str(idle))
        self._size = size
        atexit.register(self.close)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row a text. Raises ``ModelUnreachable`` and ``ModelTimeout``: ask again."""
        try:
            with self._asked(_TIMEOUT) as child:
                send(child.questions, json.dumps(texts).encode())
                vectors = np.frombuffer(receive(child.answers), np.float32)
        except Ended as ended:
            said = ended.last_words.decode(errors="replace")[-2000:]
            logger.warning("the embedding process ended error=%s", said)
            raise (ModelTimeout(SILENT) if ended.timed_out else ModelUnreachable(ENDED)) from ended
        except OSError as error:  # no memory for it
            raise ModelUnreachable(ENDED) from error
        return vectors.reshape(len(texts), self._size)


def serve(encode: Callable[[Sequence[str]], Vectors]) -> None:
    """Be the process: answer until the questions end, or none has come for long."""
    answers, idle = answers_of_this_child(), float(sys.argv[1])
    while select.select([sys.stdin], [], [], idle)[0]:
        try:
            texts = json.loads(receive(sys.stdin.buffer))
        except EOFError:
            return
        send(answers, encode(texts).tobytes())
