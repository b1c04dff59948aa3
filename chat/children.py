"""Processes of our own that answer one question after the other.

A question is some messages, and so is its answer: each its length and so many bytes, through pipes.
A child's questions end when its parent does, be it by kill -9, and the child ends with them.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_HEADER = 8  # bytes of a message's length, before it


class Child:
    """``python -m module``, at work until it is closed."""

    def __init__(self, module: str, *arguments: str):
        self.timed_out = False
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self._process = subprocess.Popen(  # noqa: S603  (our own module, by this interpreter)
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            cwd=Path(__file__).parents[1],
            start_new_session=True,  # Ctrl-C is for the parent, which ends this one
            # Not the parent's: its environment holds keys. Each malloc arena would reserve 64 MB
            # of the address space that may be limited.
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
        )
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self.questions: IO[bytes] = self._process.stdin
        self.answers: IO[bytes] = self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """It is killed if it takes longer, and then ``timed_out``."""

        def give_up() -> None:
            self.timed_out = True
            self.kill()

        clock = threading.Timer(seconds, give_up)
        clock.start()
        try:
            yield
        finally:
            clock.cancel()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def last_words(self) -> bytes:
        """What a process that is about to end, or has, printed as its errors."""
        self._process.wait()
        self._complaints.seek(0)
        return self._complaints.read()

    def kill(self) -> None:
        """From any thread. Who waits for an answer: ``EOFError`` or ``BrokenPipeError``."""
        self._process.kill()

    def close(self) -> None:
        """End it at once. It holds nothing that needs saving."""
        self._process.kill()
        self._process.wait()
        for pipe in (self.questions, self.answers, self._complaints):
            with suppress(BrokenPipeError):  # what was still to be written to a dead child
                pipe.close()


class Ended(Exception):
    """A child did so before its answer did: by itself, or because that took too long."""

    def __init__(self, last_words: bytes, timed_out: bool):
        super().__init__(last_words)
        self.last_words, self.timed_out = last_words, timed_out


class Asker:
    """One child at a time: started at the first question, and again when it has ended.

    Threads wait for one another, but for ``stop``.
    """

    def __init__(self, module: str, *arguments: str):
        self._command = module, *arguments
        self._child: Child | None = None
        self._lock = threading.Lock()  # for the one question at hand

    @contextmanager
    def _asked(self, seconds: float) -> Iterator[Child]:
        """The child, for a question that may take so long. Raises ``Ended``, and ``OSError`` where
        it cannot be started."""
        with self._lock:
            if self._child is not None and self._child.has_ended():
                self.close()
            child = self._child = self._child or Child(*self._command)
            try:
                with child.within(seconds):
                    yield child
            except (BrokenPipeError, EOFError) as error:
                ended = Ended(child.last_words(), child.timed_out)
                self.close()
                raise ended from error
            except BaseException:
                self.close()  # in the middle of its answer, it is of no use any more
                raise

    def stop(self) -> None:
        """Break off the question at hand, from any thread: it ends as if the child had."""
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()


def send(pipe: IO[bytes], *messages: bytes) -> None:
    for message in messages:
        pipe.write(len(message).to_bytes(_HEADER))
        pipe.write(message)
    pipe.flush()


def send_length(pipe: IO[bytes], size: int) -> None:
    """The beginning of a message whose bytes are written by other means."""
    pipe.write(size.to_bytes(_HEADER))


def receive(pipe: IO[bytes]) -> bytes:
    """The next message. Raises ``EOFError`` when there is none, or not all of it."""
    size = int.from_bytes(_exactly(pipe, _HEADER))
    return _exactly(pipe, size)


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data


def answers_of_this_child() -> IO[bytes]:
    """Where a child writes its answers; what a library prints does not mix with them."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers
