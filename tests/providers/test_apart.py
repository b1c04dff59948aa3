"""The process that embeds passages: as good as none, replaced when it ends, never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from chat.errors import ModelTimeout, ModelUnreachable
from chat.providers import apart, embedded
from chat.providers.apart import Apart
from chat.providers.embedded import StaticEmbedder
from tests.server import ROOT

MODULE = "chat.providers.embedded"
TEXTS = ["", "Lamps in the reading room.", "Grüße, 漢字 🙂", "half a pair \ud83d", "x" * 3000]
MANY = TEXTS * 20_000  # it takes seconds


@pytest.fixture
def process():
    process = Apart(MODULE, StaticEmbedder.size)
    yield process
    process.close()


def is_at_work(pid: int) -> bool:
    """False also for one that is dead and waits for somebody to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(holds, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_its_vectors_are_those_of_this_process(process):
    assert np.array_equal(process.encode(TEXTS), StaticEmbedder().encode(TEXTS))
    assert process.encode([]).shape == (0, StaticEmbedder.size)


def test_a_question_starts_no_process(process, monkeypatch):
    monkeypatch.setattr(embedded, "_apart", process)

    asyncio.run(StaticEmbedder().embed(["lamps"], kind="query"))
    assert process._child is None

    asyncio.run(StaticEmbedder().embed(["lamps"]))
    assert process._child is not None


def test_one_that_is_killed_at_work_says_so_and_is_replaced(process):
    expected = process.encode(TEXTS)
    done = threading.Event()

    def kill() -> None:
        while not done.wait(0.1):
            process.stop()

    killing = threading.Thread(target=kill)
    killing.start()
    with pytest.raises(ModelUnreachable, match="Sync again"):
        process.encode(MANY)
    done.set()
    killing.join()

    assert np.array_equal(process.encode(TEXTS), expected)


def test_one_that_is_killed_between_two_questions_is_not_missed(process):
    process.encode(TEXTS)
    child = process._child
    child.kill()
    wait_until(child.has_ended)

    assert process.encode(TEXTS).any()


def test_one_that_hangs_is_given_up(process, monkeypatch):
    process.encode(TEXTS)
    monkeypatch.setattr(apart, "_TIMEOUT", 0.5)
    os.kill(process._child.pid, signal.SIGSTOP)

    with pytest.raises(ModelTimeout, match="Sync again"):
        process.encode(TEXTS)

    monkeypatch.undo()
    assert process.encode(TEXTS).any()


def test_one_that_hangs_is_not_waited_for_once_nobody_asks_any_more(process, monkeypatch):
    monkeypatch.setattr(embedded, "_apart", process)
    process.encode(TEXTS)
    os.kill(process._child.pid, signal.SIGSTOP)

    async def ask_and_leave() -> None:
        await asyncio.wait_for(StaticEmbedder().embed(TEXTS), 0.1)

    with pytest.raises(TimeoutError):
        asyncio.run(ask_and_leave())  # ends when its threads have

    assert process._child is None


def test_one_without_questions_gives_its_memory_back():
    process = Apart(MODULE, StaticEmbedder.size, idle=0.2)
    process.encode(TEXTS)
    wait_until(process._child.has_ended)

    assert process.encode(TEXTS).any()
    process.close()


@pytest.mark.parametrize("texts", ["'Lamps'", "'Lamps', *['Lamps in the reading room.'] * 100_000"])
def test_it_ends_when_its_parent_is_killed(texts):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(texts=texts)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    with parent:
        pid = int(parent.stdout.readline())
        assert is_at_work(pid)
        parent.kill()

    wait_until(lambda: not is_at_work(pid))


PARENT = """
import time
from chat.providers.apart import Apart
process = Apart("chat.providers.embedded", 256)
process.encode(["Lamps"])
print(process._child.pid, flush=True)
process.encode([{texts}])
time.sleep(60)
"""


def test_it_ends_with_its_parent():
    script = PARENT.format(texts="").replace("time.sleep(60)", "")
    ended = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, text=True, timeout=60
    )

    assert ended.returncode == 0
    assert not is_at_work(int(ended.stdout))
