"""A real Redis: a server of the tests' own, on a port of its own, which keeps nothing."""

import subprocess
import time
from pathlib import Path
from typing import Any

from tests import backends
from tests.server import free_port


class Redis:
    """``with Redis(folder) as redis``: running at ``redis.url``."""

    def __init__(self, data: Path):
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._executable = backends.redis()
        self._log = data / "redis.log"
        self._process: subprocess.Popen[Any] | None = None

    def __enter__(self) -> "Redis":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        self._log.unlink(missing_ok=True)
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--logfile", str(self._log)]
        self._process = subprocess.Popen(
            [self._executable, *where, "--save", ""], cwd=self._log.parent
        )
        for _ in range(200):
            if self._log.exists() and "Ready to accept connections" in self._log.read_text():
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("redis-server did not start")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)
