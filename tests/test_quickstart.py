"""From nothing to a running Carrel, and down again, as ``make run`` does it."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import PATIENCE, ROOT, Server, answers, free_port, manage, read_sign_in

RUNNING = "Carrel is running at http://127.0.0.1:{port}/"


class Quickstart:
    """``manage.py quickstart`` as someone sees it in a terminal."""

    def __init__(self, data: Path, port: int):
        self.data, self.port = data, port
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        self.process = subprocess.Popen(
            manage("quickstart"),
            env={
                **environment,
                "DJANGO_SETTINGS_MODULE": "chatsite.settings",
                "CARREL_DATA_DIR": str(data),
                "PORT": str(port),
            },
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def read_until(self, words: str) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"it ended without saying {words!r}:\n{self.said}")

    def wait(self) -> int:
        """Read what is left; the exit code."""
        rest = self.process.stdout
        if rest and not rest.closed:
            self.said += rest.read()
            rest.close()
        self.process.wait(PATIENCE)
        return self.process.returncode

    def children(self) -> dict[str, int]:
        """Process ids by command."""
        pids = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return {args.split()[-1]: int(args.split()[0]) for args in pids.splitlines()}


@pytest.fixture
def quickstart() -> Iterator[Callable[[Path], Quickstart]]:
    """Starts one over a data directory, and sees to it that it ends."""
    started: list[Quickstart] = []

    def start(data: Path) -> Quickstart:
        running = Quickstart(data, free_port())
        started.append(running)
        running.read_until(RUNNING.format(port=running.port))
        return running

    yield start
    for running in started:
        running.process.terminate()
        running.wait()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Prepared once already, and not running."""
    return Server(tmp_path_factory.mktemp("carrel"))


def test_the_first_run_ends_with_an_address_a_sign_in_and_a_key_that_work(quickstart, tmp_path):
    running = quickstart(tmp_path)

    kept = tmp_path / "first-sign-in.txt"
    username, password, key = read_sign_in(kept)
    url = f"http://127.0.0.1:{running.port}"
    with httpx.Client(base_url=url, trust_env=False) as person:
        bearer = {"Authorization": f"Bearer {key}"}
        indexes = person.get("/api/v1/indexes", headers=bearer).json()["items"]
        page = person.get("/admin/login/").text
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page).group(1)
        form = {"username": username, "password": password, "csrfmiddlewaretoken": token}
        signed_in = person.post("/admin/login/?next=/admin/", data=form)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert all(word in running.said for word in (username, password, key))
    assert [index["name"] for index in indexes] == ["Carrel handbook"]
    assert indexes[0]["metadata"]["status"] == "ready"
    assert signed_in.headers["Location"] == "/admin/"


def test_ctrl_c_stops_both_processes_and_is_no_error(quickstart, prepared):
    running = quickstart(prepared.data)
    children = running.children()

    running.process.send_signal(signal.SIGINT)

    assert running.wait() == 0, running.said
    assert set(children) == {"web", "worker"}
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())
    assert not answers(running.port)
    assert "Traceback" not in running.said


def test_when_one_process_dies_the_other_is_stopped_and_it_says_so(quickstart, prepared):
    running = quickstart(prepared.data)
    children = running.children()

    os.kill(children["worker"], signal.SIGKILL)

    assert running.wait() == 1
    assert "The worker process ended by itself, so Carrel was stopped." in running.said
    assert not answers(running.port)


def test_a_taken_port_is_named_before_anything_is_done(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        refused = Quickstart(tmp_path, port)

        assert refused.wait() == 1
        assert f"Cannot listen on 127.0.0.1, port {port}: Address already in use." in refused.said
        assert not (tmp_path / "carrel.sqlite3").exists()


def test_another_run_keeps_what_is_there_and_brings_nothing_back(prepared):
    with prepared, prepared.api() as api:
        for kind in ("/indexes", "/beta/directories"):
            for item in api.get(kind).json()["items"]:
                api.delete(f"{kind}/{item['id']}").raise_for_status()

    said = prepared.manage("quickstart", "--no-serve")

    with prepared, prepared.api() as api:
        assert api.get("/indexes").json()["items"] == []
        assert api.get("/beta/directories").json()["items"] == []
    assert read_sign_in(prepared.data / "first-sign-in.txt")[2] == prepared.api_key
    assert prepared.password not in said
    assert "first-sign-in.txt" in said
