"""What an upload costs in memory and on disk: ``python -m bench.uploads [--megabytes 300]``.

One file is sent over REST to a web process under daphne and, where it can be imported (or is in
the folder ``CARREL_BENCH_UVICORN``), under uvicorn, and fetched again. Memory is the peak of the
process's own (VmHWM) above what it had before; disk is what lay in the folder of uploads at most.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.server import ROOT, Server

MEGABYTE = 1024 * 1024
BOUNDARY = "carrel-bench"
FORM = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
).encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=300)
    megabytes = parser.parse_args().megabytes
    print(f"{megabytes} MB{'upload':>16}{'memory':>14}{'disk':>14}{'download':>16}{'memory':>14}")
    with tempfile.TemporaryDirectory(prefix="carrel-bench-") as data:
        server = Server(Path(data), MAX_UPLOAD_MB=str(megabytes + 1))
        server.start("web")
        try:
            measure("daphne", server, megabytes)
        finally:
            server.stop()
        if with_uvicorn(server):
            try:
                measure("uvicorn", server, megabytes)
            finally:
                server.stop()


def with_uvicorn(server: Server) -> bool:
    """Serve under uvicorn, if there is one."""
    path = os.pathsep.join([str(ROOT), os.environ.get("CARREL_BENCH_UVICORN", "")])
    environment = server.environment | {"PYTHONPATH": path}
    command = [sys.executable, "-m", "uvicorn"]
    if subprocess.run([*command, "--version"], env=environment, capture_output=True).returncode:
        print("uvicorn is left out: it is not installed, and CARREL_BENCH_UVICORN names no folder.")
        return False
    serve = ["chatsite.asgi:application", "--no-access-log", "--port", str(server.port)]
    with open(server.data / "uvicorn.log", "ab") as log:
        server.processes["web"] = subprocess.Popen(
            [*command, *serve], env=environment, cwd=ROOT, stdout=log, stderr=log
        )
    server.wait_until_up()
    return True


def measure(name: str, server: Server, megabytes: int) -> None:
    process = Path(f"/proc/{server.processes['web'].pid}")
    with server.api() as api:
        api.timeout = httpx.Timeout(600)
        upload(api, 1)  # what is loaded by the first upload is not counted
        with Peak(process, server.data / "uploads") as up:
            file = upload(api, megabytes)
        url = api.get(f"/beta/files/{file}/content").json()["url"]
        with Peak(process, server.data / "uploads") as down, api.stream("GET", url) as response:
            size = sum(len(piece) for piece in response.iter_bytes())
        api.delete(f"/beta/files/{file}")
    assert size == megabytes * MEGABYTE, size
    print(
        f"{name:<10}{up.seconds:>10.1f} s{up.memory:>11.0f} MB{up.disk:>11.0f} MB"
        f"{down.seconds:>14.1f} s{down.memory:>11.0f} MB",
        flush=True,
    )


def upload(api: httpx.Client, megabytes: int) -> str:
    """The id of a new file."""

    def body() -> Iterator[bytes]:
        yield FORM
        for number in range(megabytes):
            yield bytes([number % 256]) * MEGABYTE
        yield END

    headers = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(FORM) + megabytes * MEGABYTE + len(END)),
    }
    response = api.post("/beta/files", content=body(), headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["id"]


class Peak:
    """``with Peak(process, folder) as peak``: ``seconds``, and ``memory`` and ``disk`` in MB."""

    def __init__(self, process: Path, folder: Path):
        self.process, self.folder = process, folder
        self.seconds = self.memory = self.disk = 0.0
        self.ended = threading.Event()

    def __enter__(self) -> "Peak":
        (self.process / "clear_refs").write_text("5")  # the peak is counted from here
        self.before, self.began = self.highest(), time.perf_counter()
        self.watch = threading.Thread(target=self.look)
        self.watch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self.began
        self.memory = self.highest() - self.before
        self.ended.set()
        self.watch.join()

    def highest(self) -> float:
        status = (self.process / "status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def look(self) -> None:
        """What is open counts, also where it has no name."""
        while not self.ended.wait(0.02):
            self.disk = max(self.disk, sum(self.open_files()) / MEGABYTE)

    def open_files(self) -> Iterator[int]:
        """Sizes of the temporary files the process has open."""
        for descriptor in (self.process / "fd").iterdir():
            try:
                name = os.readlink(descriptor)
                if name.endswith("(deleted)") or name.startswith(str(self.folder)):
                    yield descriptor.stat().st_size
            except OSError:  # closed meanwhile
                continue


if __name__ == "__main__":
    main()
