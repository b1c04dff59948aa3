"""Carrel on PostgreSQL: the tests of what talks to the database, and a whole installation."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.postgres import Postgres
from tests.server import PATIENCE, ROOT, Server

ROOMS = [
    "tests/contracts",
    "tests/events",
    "tests/models/test_prepared.py",
    "tests/runs/test_quotas.py",
    "tests/runs/test_turns.py",
    "tests/retrieval/test_sync.py",
    "tests/retrieval/test_worker.py",
    "tests/api/test_files.py",
    "tests/api/test_permissions.py",
    "tests/streams/test_page_rights.py",
    "tests/web/test_search.py",
    "tests/web/test_sessions.py",
    "tests/web/test_turns.py",
]


def test_the_rooms_work_there(postgres: Postgres, tmp_path: Path):
    # In a process of its own, since settings are read once.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    # The database is not dropped, for which every thread would have to close its connection: it
    # goes with the server. Nor do threads close it when they end.
    command += ["--reuse-db", "-W", "ignore::ResourceWarning"]
    done = subprocess.run(
        [*command, *ROOMS],
        env=os.environ | {"DATABASE_URL": postgres.new_database()},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]


def test_an_installation_reads_finds_and_answers_and_outlives_a_restart_of_it(
    postgres: Postgres, tmp_path: Path
):
    with (
        Server(tmp_path, DATABASE_URL=postgres.new_database()) as server,
        server.api() as api,
    ):
        paper = "# Heating\n\nThe boiler was serviced in March 2024 by Ada Novak.\n"
        directory, index = file_and_index(api, "boiler.md", paper)
        wait_until_ready(api, index)

        found = search(api, index, "Who looked after the boiler?")
        session = api.post("/chat", json={"index_ids": [index]}).json()["session_id"]
        prompt = {"index_ids": [], "prompt": "Who serviced the boiler? \U0001f5dd\u2028"}
        api.post(f"/chat/{session}/messages/stream", json=prompt).raise_for_status()
        events = api.get(f"/chat/{session}").json()["events"]

        assert found[0]["metadata"]["file_name"] == "boiler.md"
        assert events[0]["content"] == prompt["prompt"]
        assert "Ada Novak" in events[-2]["content"] and events[-2]["citations"]
        assert not events[-1]["is_error"]
        postgres.restart()
        [filed] = api.get(f"/beta/directories/{directory}/files").json()["items"]
        api.delete(f"/beta/directories/{directory}/files/{filed['id']}").raise_for_status()
        api.post(f"/indexes/{index}/sync", json={}).raise_for_status()
        wait_until_ready(api, index)
        assert search(api, index, "Who looked after the boiler?") == []
        assert "1 chunks" not in server.manage("reindex", index)


def file_and_index(api: httpx.Client, name: str, text: str) -> tuple[str, str]:
    """The ids of a directory with this file, and of an index over it."""
    directory = api.post("/beta/directories", json={"name": "Papers"}).json()["id"]
    upload = {"upload_file": (name, text.encode())}
    api.post(f"/beta/directories/{directory}/files/upload", files=upload).raise_for_status()
    index = api.post("/indexes", json={"source_directory_id": directory}).json()["id"]
    return directory, index


def wait_until_ready(api: httpx.Client, index: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while (metadata := api.get(f"/indexes/{index}").json()["metadata"])["status"] != "ready":
        assert metadata["status"] != "failed" and time.monotonic() < deadline, metadata
        time.sleep(0.1)


def search(api: httpx.Client, index: str, query: str) -> list[dict]:
    answer = api.post("/retrieval/retrieve", json={"index_id": index, "query": query})
    return answer.json()["results"]
