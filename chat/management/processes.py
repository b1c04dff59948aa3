"""Child processes that live and end together."""

import ctypes
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import FrameType

PATIENCE = 15.0  # seconds between asking a child to stop and making it
PR_SET_PDEATHSIG = 1


class Ended(Exception):
    """A child ended on its own: ``(name, exit code)``."""


class Family:
    """Children started by name, stopped together; none outlives this process.

    Each gets a process group of its own, so that Ctrl-C reaches this process alone and the
    children are asked to stop once, not twice.
    """

    def __init__(self) -> None:
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.stopping = threading.Event()

    def stop_on_signals(self) -> None:
        def stop(signum: int, frame: FrameType | None) -> None:
            self.stopping.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, stop)

    def start(self, commands: Mapping[str, Sequence[str]]) -> None:
        for name, command in commands.items():
            self.children[name] = subprocess.Popen(  # noqa: S603
                command, process_group=0, preexec_fn=_end_with_parent
            )

    def check(self) -> None:
        """Raises ``Ended`` if a child has."""
        for name, child in self.children.items():
            if child.poll() is not None:
                raise Ended(name, child.returncode)

    def wait(self) -> None:
        """Until told to stop. Raises ``Ended``."""
        while not self.stopping.wait(0.5):
            self.check()

    def stop(self) -> None:
        """Ask all to stop, wait, and end those that do not."""
        for child in self.children.values():
            child.terminate()
        deadline = time.monotonic() + PATIENCE
        for child in self.children.values():
            try:
                child.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _end_with_parent() -> None:
    """Where the kernel can (Linux): a killed parent takes its children along."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
