"""Two processes that live and end together, under a third one.

Run as a program of its own, not imported: without Django it takes a tenth of the memory.
"""

import ctypes
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

START_PATIENCE = 60.0  # seconds
STOP_PATIENCE = 15.0  # seconds between asking a process to stop and making it
PR_SET_PDEATHSIG = 1

Children = Mapping[str, subprocess.Popen[bytes]]


def main(host: str, port: str, commands: str) -> int:
    """Run until told to stop, or until one ends by itself.

    ``commands`` is JSON, ``{"web": [program, argument, ...], ...}``; the one called web answers
    on the host and port. Answers the exit code: 1 when a process ended that should not have.
    """
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda signum, frame: stopping.set())
    children = {name: start(command) for name, command in json.loads(commands).items()}
    try:
        ended = wait_until_up(children, stopping, host, int(port))
        if not ended and not stopping.is_set():
            shown = f"[{host}]" if ":" in host else host
            sys.stdout.write(f"Carrel is running at http://{shown}:{port}/ (Ctrl-C stops it)\n")
            sys.stdout.flush()
        ended = ended or wait_until_one_ends(children, stopping)
    finally:
        stop(children)
    if ended:
        sys.stderr.write(f"The {ended} process ended by itself, so Carrel was stopped.\n")
    return 1 if ended else 0


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """In a process group of its own: so Ctrl-C, which a terminal sends to a whole group, reaches
    this process alone, and the child is asked to stop once, not twice."""
    return subprocess.Popen(command, process_group=0, preexec_fn=end_with_parent)  # noqa: S603


def end_with_parent() -> None:
    """Where the kernel can (Linux): a killed parent takes its children along."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def wait_until_up(children: Children, stopping: threading.Event, host: str, port: int) -> str:
    """At most ``START_PATIENCE``; the name of a process that ended, or ""."""
    deadline = time.monotonic() + START_PATIENCE
    while not answers(host, port) and time.monotonic() < deadline and not stopping.wait(0.1):
        if ended := first_ended(children):
            return ended
    return ""


def wait_until_one_ends(children: Children, stopping: threading.Event) -> str:
    """The name of the process that ended, or "" when told to stop."""
    while not stopping.wait(0.5):
        if ended := first_ended(children):
            return ended
    return ""


def first_ended(children: Children) -> str:
    return next((name for name, child in children.items() if child.poll() is not None), "")


def answers(host: str, port: int) -> bool:
    """Whether anything does. A 400 will do: ALLOWED_HOSTS need not list the address."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def stop(children: Children) -> None:
    """Ask all to stop, wait, and end those that do not."""
    for child in children.values():
        child.terminate()
    deadline = time.monotonic() + STOP_PATIENCE
    for child in children.values():
        try:
            child.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
