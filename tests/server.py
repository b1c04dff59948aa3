"""A whole Carrel to test from outside: real processes, data of its own, a free port."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from atexit import register
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from random import randrange
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {"DATABASE_URL", "EMBEDDING_BASE_URL"}  # what an installation is made with
NOT_OURS = {"DATABASE_URL", "DATABASE_POOL"}  # set for the tests' own process
PATIENCE = 180.0  # seconds; for a busy machine, a server is up in three


_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 20
_ports = (10_000 + 1_000 * _worker + number % 1_000 for number in count(randrange(1_000)))


class Server:
    """``Server(data, LLM_BASE_URL=...)`` prepares; ``start()`` runs web and worker.

    ``url`` ends without a slash; ``api_key``, ``username`` and ``password`` are the first admin's.
    What the processes said is in ``log()``.
    """

    def __init__(self, data: Path, **settings: str):
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in NOT_OURS},
            "DJANGO_SETTINGS_MODULE": "chatsite.settings",
            "CARREL_DATA_DIR": str(data),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            **settings,
        }
        if settings.keys() & ELSEWHERE:
            self.manage("quickstart", "--no-serve")
        else:
            shutil.copytree(freshly_made(), data, dirs_exist_ok=True)
        self.username, self.password, self.api_key = read_sign_in(data / "first-sign-in.txt")

    def __enter__(self) -> "Server":
        try:
            self.start()
        except BaseException:
            self.kill()  # or they run on, and a later test is blamed for them
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self, *names: str) -> None:
        """Start ``web``, ``worker``, or both; returns when the web process answers."""
        for name in names or ("web", "worker"):
            with open(self.data / f"{name}.log", "ab") as log:
                self.processes[name] = subprocess.Popen(
                    manage(name), env=self.environment, cwd=ROOT, stdout=log, stderr=log
                )
        self.wait_until_up()

    def stop(self, *names: str) -> None:
        self._end(names, signal.SIGTERM)

    def kill(self, *names: str) -> None:
        """As a power cut would: the processes get no chance to tidy up."""
        self._end(names, signal.SIGKILL)

    def manage(self, *command: str) -> str:
        """Run a management command to its end; answers what it printed."""
        done = subprocess.run(
            manage(*command), env=self.environment, cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def api(self) -> httpx.Client:
        """A client of the REST API with the first admin's key: ``with server.api() as api``."""
        return httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {self.api_key}"},
            timeout=PATIENCE,
            trust_env=False,
        )

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.data.glob("*.log")))

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not answers(self.port):
            assert self.processes["web"].poll() is None, self.log()
            assert time.monotonic() < deadline, f"the web process does not answer\n{self.log()}"
            time.sleep(0.05)

    def _end(self, names: tuple[str, ...], how: int) -> None:
        ending = [self.processes.pop(name) for name in names or tuple(self.processes)]
        for process in ending:
            process.send_signal(how)
        for process in ending:
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


@cache
def freshly_made() -> Path:
    """The data of a new installation: made once, since every server begins with the same."""
    data = Path(tempfile.mkdtemp(prefix="carrel-made-"))
    register(shutil.rmtree, data, ignore_errors=True)
    Server(data, DATABASE_URL=f"sqlite:///{data}/carrel.sqlite3")
    return data


def manage(*command: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *command]


def free_port() -> int:
    """One that nobody else takes before a server does, or while it is down: below those that the
    system deals out, and out of a thousand of this test process's own."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def read_sign_in(path: Path) -> tuple[Any, ...]:
    """User name, password and API key, as quickstart wrote them down for a person."""
    return tuple(re.findall(r"^ +(?:user name|password|API key) +(\S+)$", path.read_text(), re.M))
