"""One page of a PDF for someone who reads it now: its picture, and where on it words stand.

Of hostile input, so a process of its own does it, with limits on memory and time, and off the
event loop. A page takes a fraction of a second; nothing is kept here, the browser keeps it.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.conf import settings

from chat.errors import UnreadableFile
from chat.models import File

PATIENCE = 20.0  # seconds for one page
AT_ONCE = asyncio.Semaphore(2)  # pages; others wait

Box = tuple[float, float, float, float]  # left, top, width, height, in points from the top left


@dataclass(frozen=True, slots=True)
class Places:
    """Where passages stand on a page of that size, in points: boxes around the lines of each."""

    width: float
    height: float
    boxes: list[list[Box]]


async def picture(file: File, page: int) -> bytes:
    """The page as a JPEG; pages count from 1. Raises UnreadableFile."""
    return await _ask(file, {"page": page})


async def places(file: File, page: int, passages: Sequence[str]) -> Places:
    """Where each passage stands on the page; no boxes for one that is not found."""
    answer = json.loads(await _ask(file, {"page": page, "passages": passages}))
    return Places(answer["width"], answer["height"], answer["boxes"])


async def _ask(file: File, question: dict[str, Any]) -> bytes:
    async with AT_ONCE:
        with await sync_to_async(_opened)(file) as content:
            question |= {"file": content.fileno(), "memory": settings.PARSE_MEMORY_MB * 2**20}
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "chat.retrieval.leaf"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=[content.fileno()],  # what is in it is read there, within the limits
                cwd=Path(__file__).parents[2],
            )
            try:
                asked = json.dumps(question).encode()
                answer, _ = await asyncio.wait_for(child.communicate(asked), PATIENCE)
            except BaseException as error:
                child.kill()
                await child.wait()
                if isinstance(error, TimeoutError):
                    raise UnreadableFile("Drawing this page takes too long.") from error
                raise
    if child.returncode or not answer:
        raise UnreadableFile("This page cannot be drawn.")
    return answer


def _opened(file: File) -> IO[bytes]:
    try:
        return file.content.open("rb")
    except FileNotFoundError as error:
        raise UnreadableFile("The original of this document is gone.") from error
