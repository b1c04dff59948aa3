"""The database's disk fills up while an answer is written, and is given room again."""

import resource
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.server import Server
from tests.stand_in.fixture import StandIn

from .reading import Stream, events, prompt, signed_in, text_of, wait_until_ended

pytestmark = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="limits another process's files: Linux only"
)

MEGABYTE = 1024 * 1024
ADVICE = "disk is full"
MESSAGE = {"index_ids": [], "prompt": "How do I add documents?"}


@pytest.fixture(scope="module")
def limited(start_server: Callable[..., Server], stand_in_process: StandIn) -> Server:
    return start_server(LLM_BASE_URL=stand_in_process.url, LLM_MODEL="stand-in")


@pytest.fixture
def server(limited: Server) -> Iterator[Server]:
    """One whose disk is full from ``fill`` to ``make_room``: no file of its can grow."""
    yield limited
    make_room(limited)


def fill(server: Server, left: int = 0, process: str = "web") -> None:
    limit(server, (server.data / "carrel.sqlite3-wal").stat().st_size + left, process)


def make_room(server: Server) -> None:
    for process in server.processes:
        limit(server, resource.RLIM_INFINITY, process)


def limit(server: Server, size: int, process: str) -> None:
    pid = server.processes[process].pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def new_session(api: httpx.Client) -> str:
    index = api.get("/indexes").json()["items"][0]["id"]
    return api.post("/chat", json={"index_ids": [index]}).json()["session_id"]


def test_an_answer_ends_with_advice_and_the_next_one_works_once_there_is_room(server, stand_in):
    with server.api() as api, signed_in(server) as browser:
        session = new_session(api)
        with prompt(api, session) as given:
            finished = Stream(given).read_until("stop")
        stand_in.say(tokens=5_000, size=40, rate=40)
        with prompt(api, session) as given, events(api, session) as followed:
            Stream(given).read_until("text_delta", 3)
            fill(server)
            broken = Stream(followed).read_until("stop", 2)[len(finished) :]
        stand_in.wait_until(open=0)
        stop = broken[-1][2]
        assert stop["is_error"] and ADVICE in stop["error"]
        assert broken[-2][2]["content"] == text_of(broken) != ""

        refused = api.post(f"/chat/{session}/messages/stream", json=MESSAGE)
        assert (refused.status_code, ADVICE in refused.json()["detail"]) == (503, True)
        token = {"X-CSRFToken": browser.cookies["csrftoken"]}
        asked = {"prompt": "And now?"}
        refused = browser.post(f"/chat/{session}/turns/", data=asked, headers=token)
        assert (refused.status_code, ADVICE in refused.text) == (503, True)
        wait_until_ended(api, session)  # which is read though nothing can be saved
        assert "Ask again" in browser.get(f"/chat/{session}/").text

        make_room(server)
        stand_in.say(text="Room again.")
        with prompt(api, session) as given:
            assert text_of(Stream(given).read_until("stop")) == "Room again."
        kept = api.get(f"/chat/{session}").json()["events"]

    whole = [data for _, _, data in finished if not data["type"].endswith("_delta")]
    assert kept[: len(whole)] == whole
    assert [event["type"] for event in kept].count("stop") == 3
    assert "make room" in server.log()


def test_a_file_that_does_not_fit_is_refused_and_a_smaller_one_taken(server):
    with server.api() as api, signed_in(server) as browser:
        index = api.get("/indexes").json()["items"][0]["id"]
        token = {"X-CSRFToken": browser.cookies["csrftoken"]}
        fill(server, left=8 * MEGABYTE)

        large = {"file": ("large.md", b"x" * 9 * MEGABYTE)}
        by_api = api.post("/beta/files", data={"purpose": "user_data"}, files=large)
        large = {"files": ("large.md", b"x" * 9 * MEGABYTE)}
        on_page = browser.post(f"/library/{index}/files/", files=large, headers=token)
        small = {"file": ("small.md", b"It fits.")}
        taken = api.post("/beta/files", data={"purpose": "user_data"}, files=small)

    assert (by_api.status_code, ADVICE in by_api.json()["detail"]) == (503, True)
    assert (on_page.status_code, ADVICE in on_page.text) == (503, True)
    assert taken.status_code == 200
    assert not list((server.data / "uploads").iterdir())


def test_a_file_whose_text_does_not_fit_fails_alone_until_there_is_room(server):
    words = " ".join(f"word{number}" for number in range(100_000))
    with server.api() as api:
        directory = api.post("/beta/directories", json={"name": "Papers"}).json()["id"]
        for name, text in {"large.md": words, "small.md": "It fits."}.items():
            paper = {"upload_file": (name, text.encode())}
            api.post(f"/beta/directories/{directory}/files/upload", files=paper).raise_for_status()
        fill(server, left=MEGABYTE // 2, process="worker")
        index = api.post("/indexes", json={"source_directory_id": directory}).json()["id"]
        short = wait_until_synced(api, index)

        make_room(server)
        api.post(f"/indexes/{index}/sync", json={}).raise_for_status()
        whole = wait_until_synced(api, index)

    assert (short["status"], short["files_done"], short["files_failed"]) == ("ready", 2, 1)
    assert ADVICE in short["failed_files"][0]["error"]
    assert (whole["status"], whole["files_done"], whole["files_failed"]) == ("ready", 2, 0)
    assert "make room" in server.log()


def wait_until_synced(api: httpx.Client, index: str) -> dict:
    deadline = time.monotonic() + 60
    while True:
        found = api.get(f"/indexes/{index}").json()["metadata"]
        if found["status"] in ("ready", "failed"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
