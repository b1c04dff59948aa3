"""Walks through lists whose rows come, go and move meanwhile."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server import Server

Step = tuple[str, int]


@pytest.fixture(scope="module")
def http(start_server: Callable[..., Server]) -> Iterator[httpx.Client]:
    with start_server().api() as client:
        for session in client.get("/chat").json()["items"]:
            client.delete(f"/chat/{session['session_id']}")
        yield client


def made(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


@dataclass
class Listed:
    """A list of the API: how a row gets into it, out of it, and is used."""

    http: httpx.Client
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    id: str = "id"

    def add(self) -> str:
        return made(self.http.post(self.path, json=self.body))[self.id]

    def remove(self, row: str) -> None:
        assert self.http.delete(f"{self.path}/{row}").status_code == 204

    def use(self, row: str) -> None:
        """Only sessions are used."""

    def page(self, size: int, token: str | None) -> tuple[list[str], str | None]:
        paging = {"page_size": size, "page_token": token or ""}
        found = made(self.http.get(self.path, params={**self.query, **paging}))
        return [item[self.id] for item in found["items"]], found["next_page_token"]


class Files(Listed):
    def add(self) -> str:
        """Every second one is of the same name."""
        self.count = getattr(self, "count", 0) + 1
        name = f"{self.count % 2 * self.count}.txt"
        files = {"file": (name, b"x")}
        return made(self.http.post(self.path, files=files, data={"purpose": "user_data"}))["id"]


class DirectoryFiles(Listed):
    def add(self) -> str:
        self.count = getattr(self, "count", 0) + 1
        name = f"{self.count * 7 % 10} {self.count}.txt"
        return made(self.http.post(f"{self.path}/upload", files={"upload_file": (name, b"x")}))[
            "id"
        ]


class Sessions(Listed):
    def use(self, row: str) -> None:
        """A whole turn, ended at once: its index is still empty."""
        body = {"prompt": "Anything?", "index_ids": [self.index]}
        answer = self.http.post(f"/chat/{row}/messages/stream", json=body)
        assert '"type":"stop"' in answer.text

    @property
    def index(self) -> str:
        if not hasattr(self, "_index"):
            directory = made(self.http.post("/beta/directories", json={"name": "Nothing"}))
            body = {"source_directory_id": directory["id"]}
            self._index = made(self.http.post("/indexes", json=body))["id"]
        return self._index


@pytest.fixture(
    scope="module",
    params=[
        *("directories", "files by age", "files by name", "files by id", "directory files"),
        *("indexes", "sessions"),
    ],
)
def listed(http: httpx.Client, request: pytest.FixtureRequest) -> Listed:
    def directory() -> str:
        return made(http.post("/beta/directories", json={"name": "Walked"}))["id"]

    match request.param:
        case "directories":
            return Listed(http, "/beta/directories", {"name": "Walked"}, {"name": "Walked"})
        case "files by age":
            return Files(http, "/beta/files")
        case "files by name":
            return Files(http, "/beta/files", query={"order_by": "name"})
        case "files by id":
            return Files(http, "/beta/files", query={"order_by": "id"})
        case "directory files":
            return DirectoryFiles(http, f"/beta/directories/{directory()}/files")
        case "indexes":
            source = {"source_directory_id": directory()}
            return Listed(http, "/indexes", source, source)
        case _:
            return Sessions(http, "/chat", id="session_id")


STEPS = st.lists(
    st.tuples(st.sampled_from(["page", "page", "add", "remove", "use"]), st.integers(0, 99)),
    max_size=10,
)


@settings(max_examples=8, derandomize=True, database=None)
@given(used=st.lists(st.integers(0, 99), max_size=2), steps=STEPS, size=st.integers(1, 3))
def test_a_walk_shows_each_row_once_and_misses_none_that_was_there(
    listed: Listed, used: list[int], steps: list[Step], size: int
):
    rows = [listed.add() for _ in range(6)]
    for number in used:
        listed.use(rows[number % len(rows)])

    before, seen, removed = walk(listed, rows, steps, size)

    assert len(seen) == len(set(seen))
    assert before - removed <= set(seen)
    for row in rows:
        if row not in removed:
            listed.remove(row)


def walk(
    listed: Listed, rows: list[str], steps: list[Step], size: int
) -> tuple[set[str], list[str], set[str]]:
    """Goes from page to page, doing the steps between; answers what was there, seen, removed."""
    before = set(rows)
    removed: set[str] = set()
    seen, token = listed.page(size, None)
    for kind, number in [*steps, *[("page", 0)] * (len(rows) + len(steps) + 30)]:
        there = [row for row in rows if row not in removed]
        if kind == "page" and token:
            found, token = listed.page(size, token)
            seen += found
        elif kind == "add":
            rows.append(listed.add())
        elif kind == "remove" and there:
            row = there[number % len(there)]
            listed.remove(row)
            removed.add(row)
        elif kind == "use" and there:
            listed.use(there[number % len(there)])
    assert token is None
    return before, seen, removed


def test_sessions_come_most_recently_used_first(http: httpx.Client):
    sessions = Sessions(http, "/chat", id="session_id")
    rows = [sessions.add() for _ in range(3)]
    sessions.use(rows[0])

    listed, _ = sessions.page(3, None)

    assert listed == [rows[0], rows[2], rows[1]]
