"""``manage.py web`` at work: what daphne by itself would get wrong."""

import asyncio
import http.client
import io
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.bodies import CHUNK, from_disk
from tests.server import ROOT, Server

MEGABYTE = 1024 * 1024
BOUNDARY = "carrel-test"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()


@pytest.fixture(scope="module")
def small(start_server: Callable[..., Server]) -> Server:
    """Takes files of one megabyte."""
    return start_server(MAX_UPLOAD_MB="1")


def upload(server: Server, megabytes: int, headers: dict[str, str], chunked: bool) -> dict:
    def body() -> Iterator[bytes]:
        yield HEAD
        for number in range(megabytes):
            yield bytes([number % 256]) * MEGABYTE
        yield TAIL

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(
        "POST",
        "/api/v1/beta/files",
        body(),
        {
            "Authorization": f"Bearer {server.api_key}",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            **headers,
        },
        encode_chunked=chunked,
    )
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, text
    connection.close()
    return json.loads(text)


def stored_size(server: Server, file: dict) -> int:
    return (server.data / "files" / file["id"][:2] / file["id"].replace("-", "")).stat().st_size


def test_a_body_without_a_length_arrives_whole(server):
    file = upload(server, 1, {"Transfer-Encoding": "chunked"}, chunked=True)

    assert stored_size(server, file) == MEGABYTE


@pytest.mark.parametrize(
    ("key", "status", "sentence"),
    [
        ("{key}", 413, "A request may have at most 1 MB here."),
        ("crl-none", 401, "Send a valid API key as “Authorization: Bearer …”."),
    ],
)
def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(
    small, key: str, status: int, sentence: str
):
    head = (
        "POST /api/v1/beta/files HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n"
        f"Authorization: Bearer {key.format(key=small.api_key)}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", small.port), timeout=30) as connection:
        connection.sendall(head.encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()

        assert (answer.status, json.load(answer)) == (status, {"detail": sentence})


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_a_client_that_sends_too_much_hears_so_and_leaves_nothing(small, chunked):
    length = {"Content-Length": str(len(HEAD) + 8 * MEGABYTE + len(TAIL))}
    headers = {"Transfer-Encoding": "chunked"} if chunked else length

    with pytest.raises(AssertionError, match="A request may have at most 1 MB"):
        upload(small, 8, headers, chunked)

    assert not list((small.data / "uploads").iterdir())
    assert stored_size(small, upload(small, 1, {"Transfer-Encoding": "chunked"}, chunked=True))


async def test_while_a_body_is_read_others_have_their_turn():
    turns, body = 0, io.BytesIO(bytes(20 * CHUNK))

    async def read_all(scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass

    async def queued() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def others() -> None:
        nonlocal turns
        while not body.closed:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.ensure_future(others())
    await from_disk(read_all)({"carrel.body": body, "carrel.is_lost": False}, queued, print)
    await waiting

    assert turns >= 20


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc: Linux only")
def test_an_upload_is_not_held_in_memory(server):
    process = Path(f"/proc/{server.processes['web'].pid}")
    length = len(HEAD) + 64 * MEGABYTE + len(TAIL)
    upload(server, 1, {"Content-Length": str(len(HEAD) + MEGABYTE + len(TAIL))}, chunked=False)
    (process / "clear_refs").write_text("5")  # the peak is counted from here
    before = peak_megabytes(process)

    file = upload(server, 64, {"Content-Length": str(length)}, chunked=False)

    assert stored_size(server, file) == 64 * MEGABYTE
    assert peak_megabytes(process) - before < 32


def peak_megabytes(process: Path) -> float:
    status = (process / "status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


@pytest.mark.parametrize("end", [Server.stop, Server.kill], ids=["told to stop", "killed"])
def test_an_answer_cut_off_with_its_process_is_kept_and_marked(start_server, stand_in, end):
    server = start_server(LLM_BASE_URL=stand_in.url, LLM_MODEL="stand-in?tokens=2000&rate=20")
    with server.api() as api:
        index = api.get("/indexes").json()["items"][0]["id"]
        session = api.post("/chat", json={"index_ids": [index]}).json()["session_id"]
        message = {"index_ids": [], "prompt": "How do I add documents?"}
        with api.stream("POST", f"/chat/{session}/messages/stream", json=message) as stream:
            seen = read_until(stream.iter_lines(), "t000019")
            end(server, "web")

    server.start("web")

    with server.api() as api:
        events = api.get(f"/chat/{session}").json()["events"]
        stand_in.say(text="It works again.")
        again = api.post(f"/chat/{session}/messages/stream", json=message).text
    text, stop = events[-2], events[-1]
    assert [event["type"] for event in events] == [
        *("user_input", "tool_call", "tool_result", "text", "stop")
    ]
    assert text["content"].startswith("t000000 t000001") and "t000005" in text["content"]
    assert stop["is_error"] and "interrupted" in stop["error"].lower()
    assert seen and "It works again." in again


def test_under_uvicorn_too_an_answer_comes_to_its_end_with_the_server(start_server, stand_in):
    server = start_server(LLM_BASE_URL=stand_in.url, LLM_MODEL="stand-in?tokens=2000&rate=20")
    server.stop("web")
    with open(server.data / "web.log", "ab") as log:
        command = ["uvicorn", "chatsite.asgi:application", "--timeout-graceful-shutdown", "1"]
        server.processes["web"] = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(server.port)],
            env=server.environment,
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    server.wait_until_up()
    with server.api() as api:
        index = api.get("/indexes").json()["items"][0]["id"]
        session = api.post("/chat", json={"index_ids": [index]}).json()["session_id"]
        message = {"index_ids": [], "prompt": "How do I add documents?"}
        with api.stream("POST", f"/chat/{session}/messages/stream", json=message) as stream:
            read_until(stream.iter_lines(), "t000009")

            server.stop("web")

    stopped = server.manage("shell", "-v0", "-c", LAST_TURN)
    assert "interrupted, of stop" in stopped
    assert "Traceback" not in server.log()


LAST_TURN = """
from chat.models import Turn
turn = Turn.objects.get()
print(turn.state + ", of", turn.events.latest("seq").type)
"""


def read_until(lines: Iterator[str], word: str) -> list[str]:
    seen = []
    for line in lines:
        seen.append(line)
        if word in line:
            return seen
    raise AssertionError(f"the stream ended without {word!r}: {seen[-5:]}")
