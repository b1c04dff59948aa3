"""The stand-in as a fixture: ``stand_in``, a process of its own, without any script at first."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]


class StandIn:
    """A running stand-in, seen from a test. ``url`` ends in /v1, as ``LLM_BASE_URL`` does."""

    def __init__(self, url: str):
        self.url = url

    def say(self, *replies: dict[str, Any], **reply: Any) -> None:
        """Play these next, see ``replies.Reply``: ``say(text="Hello")``, ``say({…}, {…})``."""
        told = [*replies, reply] if reply else list(replies)
        self._ask("POST", "/script", {"replies": told})

    def go_on(self) -> None:
        """What was told to ``hold`` does so no longer, or not when it comes to it."""
        self._ask("POST", "/go-on")

    def forget(self) -> None:
        self._ask("DELETE", "/script")

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was asked since the last ``forget``: ``path``, ``headers``, ``body``, ``at``."""
        return self._ask("GET", "/requests")

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [request["body"] for request in self.requests]

    @property
    def counts(self) -> dict[str, int]:
        """Requests ``open`` now; ``left`` by their client before the end; ``served``; and the
        ``chunks`` of answers written for all of them."""
        return self._ask("GET", "/open")

    def wait_until(self, **expected: int) -> None:
        """Wait until the counts are so; fails after twenty seconds.

        An async test that waits for its own requests to end calls this in a thread.
        """
        deadline = time.monotonic() + 20
        while not expected.items() <= (counts := self.counts).items():
            assert time.monotonic() < deadline, f"{counts}, expected {expected}"
            time.sleep(0.01)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self.url.removesuffix("/v1") + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or "null")


def closed_url() -> str:
    """The address of an endpoint that is not there: connections are refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


def start() -> tuple[subprocess.Popen[str], StandIn]:
    """A stand-in in a process of its own, ready to be asked."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.stand_in", "--port", "0"],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONWARNINGS": "default"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url, "The stand-in did not start."
    return process, StandIn(url)


@pytest.fixture(scope="session")
def stand_in_process() -> Iterator[StandIn]:
    process, stand_in = start()
    yield stand_in
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@pytest.fixture
def stand_in(stand_in_process: StandIn) -> Iterator[StandIn]:
    """A stand-in that has heard nothing yet."""
    stand_in_process.forget()
    yield stand_in_process
    stand_in_process.forget()
