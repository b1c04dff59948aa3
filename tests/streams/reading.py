"""The streams of the API and of the pages, read frame by frame."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.server import Server

PATIENCE = 60.0  # seconds until an answer that ends has ended

Frame = tuple[int, str, dict[str, Any]]


class Stream:
    """Frames as they come, each ``(seq, event, data)``."""

    def __init__(self, response: httpx.Response):
        assert response.status_code == 200
        self.frames = self._read(response.iter_lines())

    def _read(self, lines: Iterator[str]) -> Iterator[Frame]:
        frame = {}
        for line in lines:
            name, _, value = line.partition(": ")
            if line:
                frame[name] = value
            elif "data" in frame:
                yield int(frame["id"]), frame["event"], json.loads(frame["data"])
                frame = {}

    def read_until(self, kind: str, count: int = 1) -> list[Frame]:
        """Up to and with the ``count``-th event of a type."""
        seen = []
        for frame in self.frames:
            seen.append(frame)
            count -= frame[2]["type"] == kind
            if count == 0:
                return seen
        raise AssertionError(f"the stream ended without {kind}: {seen[-3:]}")


def prompt(api: httpx.Client, session: str):
    message = {"index_ids": [], "prompt": "How do I add documents?"}
    return api.stream("POST", f"/chat/{session}/messages/stream", json=message)


def events(api: httpx.Client, session: str, **headers: str):
    return api.stream("GET", f"/chat/{session}/events", headers=headers)


def wait_until_ended(api: httpx.Client, session: str) -> list[dict[str, Any]]:
    """Until the last turn is over, as a stop asks for it and does not wait; its history."""
    deadline = time.monotonic() + PATIENCE
    while (told := api.get(f"/chat/{session}").json()["events"])[-1]["type"] != "stop":
        assert time.monotonic() < deadline, told[-1]
        time.sleep(0.05)
    return told


def text_of(frames: list[Frame]) -> str:
    return "".join(data["content"] for _, _, data in frames if data["type"] == "text_delta")


@contextmanager
def signed_in(server: Server) -> Iterator[httpx.Client]:
    """The first admin's browser."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as browser:
        browser.get("/login/")
        post(browser, "/login/", username=server.username, password=server.password)
        yield browser


def post(browser: httpx.Client, path: str, **fields: str) -> None:
    headers = {"X-CSRFToken": browser.cookies["csrftoken"]}
    answer = browser.post(path, data=fields, headers=headers)
    assert answer.status_code < 400, answer.text


def pieces(browser: httpx.Client, session: str, after: str) -> Iterator[tuple[str, str]]:
    """What a page is sent of its turns, each ``(id, HTML)``, for ever."""
    path, headers = f"/chat/{session}/events/", {"HX-Request": "true", "Last-Event-ID": after}
    with browser.stream("GET", path, headers=headers) as response:
        number, html = "", []
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                number = value
            elif name == "data":
                html.append(value)
            elif html and not line:
                if any("<article" in part for part in html):
                    yield number, "\n".join(html)
                html = []
