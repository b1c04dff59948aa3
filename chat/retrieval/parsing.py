"""A process that reads files, so that a hostile one can only take down its own reading.

The parent hands it the bytes of one file after the other and gets text or a sentence back. Its
memory is limited by the kernel and its time by the parent; a child that dies or hangs is replaced
for the next file. Small files of plain text the parent reads itself.
"""

import json
import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO

from chat.children import Asker, Ended, answers_of_this_child, receive, send, send_length
from chat.errors import UnreadableFile
from chat.retrieval.pictures import draw
from chat.retrieval.readers import Reading, read, read_plainly

_SMALL = 2**20  # bytes: of a text up to this long, nothing can go wrong with time or memory


class Parser(Asker):
    """A handle on the reading process; stopped, the file at hand ends as an unreadable one.

    ``timeout`` is in seconds for one file, ``memory_mb`` what reading may take beyond the empty
    process.
    """

    def __init__(self, timeout: float, memory_mb: int):
        super().__init__(__name__, str(memory_mb))
        self._timeout = timeout
        self._memory_mb = memory_mb

    def __enter__(self) -> "Parser":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, content: IO[bytes], size: int, name: str) -> Reading:
        """Read a file of that many bytes. Raises ``UnreadableFile`` with a sentence why not."""
        if size <= _SMALL:
            data = content.read()
            if reading := read_plainly(data, name):
                return reading
            content, size = BytesIO(data), len(data)
        with self._answers("read", content, size, name) as answers:
            answer = json.loads(receive(answers))
        if "error" in answer:
            raise UnreadableFile(answer["error"])
        return Reading(**answer | {"page_starts": tuple(answer["page_starts"])})

    def pictures(
        self, content: IO[bytes], size: int, name: str, save: Callable[[int, bytes], object]
    ) -> None:
        """Have each page of a PDF saved as a JPEG; pages count from 1. Raises as ``read``."""
        with self._answers("draw", content, size, name) as answers:
            page = 0
            while picture := receive(answers):
                page += 1
                save(page, picture)

    @contextmanager
    def _answers(self, what: str, content: IO[bytes], size: int, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._asked(self._timeout) as child:
                send(child.questions, what.encode(), name.encode("utf-8", "replace"))
                send_length(child.questions, size)
                shutil.copyfileobj(content, child.questions, 1 << 20)
                child.questions.flush()
                yield child.answers
        except Ended as ended:
            raise UnreadableFile(self._reason(ended)) from ended

    def _reason(self, ended: Ended) -> str:
        if ended.timed_out:
            return f"Reading the file took more than {self._timeout:g} seconds and was given up."
        if b"memory allocation" in ended.last_words:
            return f"Reading the file takes more than {self._memory_mb} MB of memory."
        return "The file is damaged in a way that breaks its reading."


# The child ----------------------------------------------------------------------------------------


def serve(memory_mb: int) -> None:
    """Answer files from standard input until it ends."""
    answers = answers_of_this_child()
    read(b"<html><p>Warm up</p></html>", "a.html")
    _limit_memory(memory_mb)
    while True:
        try:
            what = receive(sys.stdin.buffer)
            name = receive(sys.stdin.buffer).decode()
            data = receive(sys.stdin.buffer)
        except EOFError:
            return
        if what == b"draw":
            for picture in draw(data):
                send(answers, picture)
            send(answers, b"")
        else:
            send(answers, json.dumps(_answer(data, name, memory_mb)).encode())


def _answer(data: bytes, name: str, memory_mb: int) -> dict[str, object]:
    try:
        reading = read(data, name)
    except UnreadableFile as error:
        return {"error": error.message}
    except MemoryError:
        return {"error": f"Reading the file takes more than {memory_mb} MB of memory."}
    return {
        "text": reading.text,
        "title": reading.title,
        "page_starts": reading.page_starts,
        "is_markdown": reading.is_markdown,
    }


def _limit_memory(megabytes: int) -> None:
    """Limit the address space to what is mapped now, libraries mostly, and that much more."""
    with open("/proc/self/statm") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    limit = mapped + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
    # Leaving the interpreter the usual way, xberg aborts it now and then.
    os._exit(0)
