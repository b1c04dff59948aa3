"""Every method the SDK has for what Carrel answers: it works, and it fails as documented.

The methods are read off the SDK: one that the sweep does not call fails it.
"""

import asyncio
import inspect
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import httpx
import pytest
from llama_cloud import APIStatusError, AsyncLlamaCloud, LlamaCloud

from tests.retrieval.samples import pdf
from tests.server import Server
from tests.stand_in.fixture import StandIn

from .conftest import Library, wait_until_ready
from .test_npm_sdk import run

pytestmark = [
    pytest.mark.filterwarnings("ignore:Moved out of beta:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Use the GET /files endpoint:DeprecationWarning"),
]

# Where the SDK has both, the top level and beta are walked apart.
TOP_LEVEL = ["projects", "v2_projects", "files", "indexes", "retrieval", "chat"]
BETA = ["beta.indexes", "beta.retrieval", "beta.chat", "beta.directories", "beta.attachments"]
PLACES = {
    "top level": [*TOP_LEVEL, "beta.directories", "beta.attachments"],
    "beta": ["projects", "v2_projects", "files", *BETA],
}
NOBODY = "00000000-0000-0000-0000-000000000000"
PAGES = [["Beacons", "The beacon on the north pier is painted red."]]


@dataclass
class Sdk:
    """One of the SDK's clients: ``sdk("chat.create", index_ids=[])``, waited for, pages walked."""

    client: LlamaCloud | AsyncLlamaCloud
    resources: list[str]
    runner: asyncio.Runner
    called: set[str] = field(default_factory=set)

    def __call__(self, name: str, /, *args: Any, **fields: Any) -> Any:
        self.called.add(name)
        answer = self.method(name)(*args, **fields)
        if isinstance(self.client, AsyncLlamaCloud):
            return self.runner.run(waited_for(answer))
        return list(answer) if hasattr(answer, "iter_pages") else answer

    def streamed(self, name: str, /, *args: Any, **fields: Any) -> list[str]:
        """The lines of an answer that comes bit by bit."""
        self.called.add(name)
        resource, _, method = name.rpartition(".")
        answer = getattr(self.method(f"{resource}.with_streaming_response"), method)
        if isinstance(self.client, AsyncLlamaCloud):
            return self.runner.run(lines_of(answer(*args, **fields)))
        with answer(*args, **fields) as response:
            return list(response.iter_lines())

    def method(self, name: str) -> Callable[..., Any]:
        resource, _, rest = name.partition(".")
        here = resource if resource in self.resources else f"beta.{resource}"
        return attrgetter(f"{here}.{rest}")(self.client)

    def methods(self) -> set[str]:
        """All that these resources have, named without ``beta.``."""
        found = set[str]()
        for resource in self.resources:
            found |= set(methods_of(attrgetter(resource)(self.client), resource))
        return {name.removeprefix("beta.") for name in found}


async def waited_for(answer: Any) -> Any:
    if hasattr(answer, "__aiter__"):
        return [one async for one in answer]
    return await answer


async def lines_of(answer: Any) -> list[str]:
    async with answer as response:
        return [line async for line in response.iter_lines()]


def methods_of(resource: Any, path: str) -> Iterator[str]:
    for name in dir(resource):
        if name.startswith(("_", "with_")):
            continue
        value = getattr(resource, name)
        if inspect.ismethod(value):
            yield f"{path}.{name}"
        else:
            yield from methods_of(value, f"{path}.{name}")


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Server], stand_in_process: StandIn) -> Server:
    """Takes files of one megabyte, and answers by the stand-in."""
    stand_in_process.forget()
    return start_server(MAX_UPLOAD_MB="1", LLM_BASE_URL=stand_in_process.url, LLM_MODEL="stand-in")


@pytest.fixture(scope="module", params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=list(PLACES))
def place(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


Make = Callable[[str], Sdk]


@pytest.fixture
def make(server: Server, kind: str, place: str, runner: asyncio.Runner) -> Iterator[Make]:
    """A client with this key."""
    made: list[Sdk] = []

    def make(key: str) -> Sdk:
        client = (AsyncLlamaCloud if kind == "async" else LlamaCloud)(
            base_url=server.url, api_key=key, max_retries=0, _strict_response_validation=True
        )
        made.append(Sdk(client, PLACES[place], runner))
        return made[-1]

    yield make
    for sdk in made:
        if isinstance(sdk.client, AsyncLlamaCloud):
            runner.run(sdk.client.close())
        else:
            sdk.client.close()


@pytest.fixture
def sdk(make: Make, server: Server) -> Sdk:
    return make(server.api_key)


@pytest.fixture(scope="module")
def library(server: Server) -> Library:
    """A PDF of one page, with its pictures and items kept."""
    with LlamaCloud(base_url=server.url, api_key=server.api_key) as client:
        directory = client.beta.directories.create(name="Harbour").id
        upload = client.beta.directories.files.upload
        marks = upload(directory, upload_file=("marks.pdf", pdf(PAGES))).id
        index = client.indexes.create(
            source_directory_id=directory, store_attachments=["screenshots", "items"]
        )
        assert wait_until_ready(client, index.id) == "ready"
        return Library(directory, index.id, {"marks.pdf": marks})


def test_every_method_works(sdk: Sdk, library: Library):
    keep_files(sdk)
    keep_directories(sdk)
    keep_indexes(sdk)
    look_into(sdk, library)
    converse(sdk, library)
    project = sdk("projects.list")[0]
    assert sdk("projects.get", project.id).id == sdk("v2_projects.get", project.id).id
    assert project.id in [one.id for one in sdk("v2_projects.list", page_size=1)]

    assert sdk.methods() - sdk.called == set()


def keep_files(sdk: Sdk) -> None:
    made = sdk("files.create", file=("a.md", b"# A"), purpose="user_data")
    assert sdk("files.retrieve", made.id).name == "a.md"
    assert made.id in [one.id for one in sdk("files.list", page_size=2)]
    assert sdk("files.query", filter={"file_ids": [made.id]}).items[0].id == made.id
    assert httpx.get(sdk("files.content", made.id).url).content == b"# A"
    sdk("files.delete", made.id)
    assert sdk("files.list", file_name="a.md") == []


def keep_directories(sdk: Sdk) -> None:
    directory = sdk("directories.create", name="Post").id
    assert sdk("directories.update", directory, name="Mail").name == "Mail"
    assert sdk("directories.get", directory).name == "Mail"
    assert directory in [one.id for one in sdk("directories.list", name="Mail")]
    file = sdk("files.create", file=("b.md", b"# B"), purpose="user_data").id
    added = sdk("directories.files.add", directory, file_id=file).id
    sent = sdk("directories.files.upload", directory, upload_file=("c.md", b"# C")).id
    changed = sdk("directories.files.update", sent, directory_id=directory, metadata={"year": 2026})
    assert changed.metadata == {"year": 2026}
    assert sdk("directories.files.get", added, directory_id=directory).display_name == "b.md"
    assert {one.id for one in sdk("directories.files.list", directory)} == {added, sent}
    sdk("directories.files.delete", sent, directory_id=directory)
    assert [one.id for one in sdk("directories.files.list", directory)] == [added]
    sdk("directories.delete", directory)
    assert directory not in [one.id for one in sdk("directories.list")]


def keep_indexes(sdk: Sdk) -> None:
    directory = sdk("directories.create", name="Empty").id
    index = sdk("indexes.create", source_directory_id=directory).id
    assert [one.id for one in sdk("indexes.list", source_directory_id=directory)] == [index]
    while sdk("indexes.get", index).metadata["status"] != "ready":
        time.sleep(0.1)
    sdk("indexes.sync", index)
    if "indexes.cancel_sync" in sdk.methods():
        try:
            sdk("indexes.cancel_sync", index)
        except APIStatusError as done:  # the worker was quicker
            assert done.status_code == 409
    sdk("indexes.delete", index)
    assert sdk("indexes.list", source_directory_id=directory) == []


def look_into(sdk: Sdk, library: Library) -> None:
    source = library.files["marks.pdf"]
    place = {"index_id": library.index_id, "file_id": source}
    found = sdk("retrieval.retrieve", index_id=library.index_id, query="red beacon").results
    assert found[0].static_fields.parsed_directory_file_id == source
    assert [one.file_id for one in sdk("retrieval.find", index_id=library.index_id)] == [source]
    assert len(sdk("retrieval.grep", **place, pattern="b.acon")) == 1
    assert "painted red" in sdk("retrieval.read", **place).content
    names = [one.name for one in sdk("attachments.list", source_id=source)]
    assert sorted(names) == ["items/page_1.json", "screenshots/page_1.jpg"]
    shot = sdk("attachments.get", "screenshots/page_1.jpg", source_id=source)
    assert httpx.get(shot.url).content.startswith(b"\xff\xd8")


def converse(sdk: Sdk, library: Library) -> None:
    session = sdk("chat.create", index_ids=[library.index_id]).session_id
    lines = sdk.streamed("chat.stream", session, prompt="Which beacon is red?", index_ids=[])
    assert '"type":"stop","is_error":false' in lines[-2]
    assert sdk("chat.get_summary", session).job_metadata.is_error is False
    kinds = [event.type for event in sdk("chat.retrieve", session).events]
    assert kinds == ["user_input", "tool_call", "tool_result", "text", "stop"]
    assert sdk("chat.list")[0].session_id == session
    sdk("chat.delete", session)
    assert session not in [one.session_id for one in sdk("chat.list")]


# How each method fails -------------------------------------------------------------------------

Failure = tuple[int, list[Any], dict[str, Any]]  # status, and what it is called with


@pytest.fixture
def rows(server: Server, library: Library, stand_in_process: StandIn) -> Iterator[dict[str, Any]]:
    """What gets in the way: with no worker at work, a sync that waits; a turn that runs."""
    server.stop("worker")
    stand_in_process.forget()
    stand_in_process.say(tokens=4000, rate=20)
    with server.api() as api:

        def made(path: str, **body: Any) -> Any:
            return api.post(path, json=body).json()

        directory = made("/beta/directories", name="In the way")["id"]
        files = f"/beta/directories/{directory}/files"
        entries = [
            api.post(f"{files}/upload", files={"upload_file": (name, b"x")}).json()
            for name in ("taken.md", "free.md")
        ]
        pending = made("/indexes", source_directory_id=directory)["id"]
        locked = made("/chat", index_ids=[library.index_id])["session_id"]
        message = {"prompt": "How long is this?", "index_ids": []}
        with api.stream("POST", f"/chat/{locked}/messages/stream", json=message) as stream:
            next(stream.iter_lines())
            yield {
                "directory": directory,
                "entry": entries[1]["id"],
                "file": entries[1]["file_id"],
                "pending": pending,
                "ready": library.index_id,
                "marks": library.files["marks.pdf"],
                "locked": locked,
                "unbound": made("/chat")["session_id"],
            }
        api.delete(f"/chat/{locked}")
        api.delete(f"/indexes/{pending}")
    server.start("worker")


def failures(rows: dict[str, Any]) -> dict[str, list[Failure]]:
    """By method; what every method has in common is not listed."""
    directory, pending, ready = rows["directory"], rows["pending"], rows["ready"]
    big = ("big.md", b"x" * (1024 * 1024 + 1))
    huge = ("huge.md", b"x" * (3 * 1024 * 1024))
    purpose = {"purpose": "user_data"}
    at_pending = {"index_id": pending, "file_id": rows["entry"]}
    at_ready = {"index_id": ready, "file_id": rows["marks"]}
    asked = {"prompt": "Why?", "index_ids": []}

    def unknown(*before: Any, **fields: Any) -> Failure:
        return (404, [*before], fields)

    def wrong(*before: Any, **fields: Any) -> Failure:
        return (422, [*before], fields)

    def conflict(*before: Any, **fields: Any) -> Failure:
        return (409, [*before], fields)

    return {
        "projects.list": [wrong(organization_id="x"), unknown(organization_id=NOBODY)],
        "projects.get": [unknown(NOBODY), unknown("x")],
        "v2_projects.list": [wrong(page_size=0), unknown(organization_id=NOBODY)],
        "v2_projects.get": [unknown(NOBODY), unknown("x")],
        "files.create": [
            wrong(file=b"x", purpose="other"),
            unknown(file=b"x", **purpose, project_id=NOBODY),
            (413, [], {"file": big, **purpose}),
            (413, [], {"file": huge, **purpose}),
        ],
        "files.list": [
            wrong(order_by="size"),
            wrong(page_token="made-up"),
            unknown(file_ids=[NOBODY]),
        ],
        "files.query": [
            wrong(order_by="size"),
            unknown(filter={"file_ids": [NOBODY]}),
            unknown(filter={"project_id": NOBODY}),
        ],
        "files.retrieve": [unknown(NOBODY)],
        "files.delete": [unknown(NOBODY)],
        "files.content": [unknown(NOBODY), wrong(rows["file"], expires_at_seconds=0)],
        "directories.create": [wrong(name=""), wrong(name="x", type="index")],
        "directories.list": [wrong(page_size=0), wrong(type="other")],
        "directories.get": [unknown("dir-0")],
        "directories.update": [unknown("dir-0", name="x"), wrong(directory, name="")],
        "directories.delete": [unknown("dir-0")],
        "directories.files.add": [
            unknown("dir-0", file_id=rows["file"]),
            unknown(directory, file_id=NOBODY),
            wrong(directory, file_id=rows["file"], metadata={"x": {}}),
            conflict(directory, file_id=rows["file"], unique_id="taken.md"),
        ],
        "directories.files.upload": [
            unknown("dir-0", upload_file=b"x"),
            wrong(directory, upload_file=b"x", metadata="[]"),
            conflict(directory, upload_file=b"x", unique_id="taken.md"),
            (413, [directory], {"upload_file": big}),
            (413, [directory], {"upload_file": huge}),
        ],
        "directories.files.list": [unknown("dir-0"), wrong(directory, page_token="made-up")],
        "directories.files.get": [
            unknown("dfl-0", directory_id=directory),
            unknown(rows["marks"], directory_id=directory),
        ],
        "directories.files.update": [
            unknown(rows["marks"], directory_id=directory, display_name="x"),
            unknown(rows["entry"], directory_id=directory, target_directory_id="dir-0"),
            wrong(rows["entry"], directory_id=directory, display_name=""),
            conflict(rows["entry"], directory_id=directory, unique_id="taken.md"),
        ],
        "directories.files.delete": [unknown("dfl-0", directory_id=directory)],
        "indexes.create": [
            unknown(source_directory_id="dir-0"),
            wrong(source_directory_id=directory, sync_frequency="hourly"),
            wrong(source_directory_id=directory, vector_target="OTHER"),
            wrong(source_directory_id=directory, store_attachments=["films"]),
        ],
        "indexes.list": [unknown(source_directory_id="dir-0"), wrong(page_token="made-up")],
        "indexes.get": [unknown("idx-0"), wrong(ready, expand=["other"])],
        "indexes.delete": [unknown("idx-0")],
        "indexes.sync": [unknown("idx-0"), conflict(pending)],
        "indexes.cancel_sync": [unknown("idx-0"), conflict(ready)],
        "retrieval.retrieve": [
            unknown(index_id="idx-0", query="x"),
            conflict(index_id=pending, query="x"),
            wrong(index_id=ready, query=" "),
            wrong(index_id=ready, query="x", top_k=0),
            wrong(index_id=ready, query="x", vector_pipeline_weight=2),
            wrong(index_id=ready, query="x", custom_filters={"a": {"operator": "is", "value": 1}}),
        ],
        "retrieval.find": [
            unknown(index_id="idx-0"),
            conflict(index_id=pending),
            wrong(index_id=ready, page_token="made-up"),
        ],
        "retrieval.grep": [
            unknown(index_id=ready, file_id="dfl-0", pattern="x"),
            conflict(**at_pending, pattern="x"),
            wrong(**at_ready, pattern="("),
        ],
        "retrieval.read": [
            unknown(index_id=ready, file_id=rows["entry"]),
            conflict(**at_pending),
            wrong(**at_ready, offset=-1),
        ],
        "attachments.list": [unknown(source_id="dfl-0"), wrong(source_id="")],
        "attachments.get": [
            unknown("screenshots/page_1.jpg", source_id="dfl-0"),
            unknown("screenshots/page_2.jpg", source_id=rows["marks"]),
        ],
        "chat.create": [
            unknown(index_ids=["idx-0"]),
            wrong(index_ids=[ready, ready]),
            wrong(index_ids=[f"idx-{number}" for number in range(11)]),
        ],
        "chat.list": [wrong(page_token="made-up"), unknown(project_id=NOBODY)],
        "chat.retrieve": [unknown("ses-0")],
        "chat.get_summary": [unknown("ses-0")],
        "chat.delete": [unknown("ses-0")],
        "chat.stream": [
            unknown("ses-0", **asked),
            wrong(rows["unbound"], **asked),
            wrong(rows["locked"], **asked | {"prompt": " "}),
            conflict(rows["locked"], **asked),
            conflict(rows["locked"], **asked | {"index_ids": [pending]}),
        ],
    }


def test_every_method_fails_as_documented(sdk: Sdk, make: Make, rows: dict[str, Any]):
    stranger = make("crl-wrong")
    table = failures(rows)
    assert sdk.methods() <= set(table)
    for name in sorted(sdk.methods()):
        _, args, fields = table[name][0]
        assert refused(stranger, name, args, fields).headers["www-authenticate"] == "Bearer"
        for status, args, fields in table[name]:
            answer = refused(sdk, name, args, fields)

            assert answer.status_code == status, (name, args, fields, answer.text)
            assert answer.headers["x-request-id"]
            assert set(answer.json()) == {"detail"}
            if status == 422:
                assert answer.json()["detail"][0]["loc"][0] in ("body", "query", "path")


def refused(sdk: Sdk, name: str, args: list[Any], fields: dict[str, Any]) -> httpx.Response:
    with pytest.raises(APIStatusError) as raised:
        sdk(name, *args, **fields)
    return raised.value.response


# The npm SDK ------------------------------------------------------------------------------------


def test_every_method_of_the_npm_sdk_works(
    server: Server, library: Library, stand_in_process: StandIn
):
    stand_in_process.forget()

    told = run("works.js", server, {"index": library.index_id, "file": library.files["marks.pdf"]})

    assert [name for name, came_true in told["seen"].items() if not came_true] == []
    assert told["uncalled"] == []


def test_every_method_of_the_npm_sdk_fails_as_documented(server: Server, rows: dict[str, Any]):
    table = {camel_case(name): as_json(calls) for name, calls in failures(rows).items()}

    told = run("fails.js", server, table)

    assert told["surprises"] == []
    assert told["methods"] > 30


def camel_case(name: str) -> str:
    return re.sub("_([a-z])", lambda letter: letter[1].upper(), name)


def as_json(value: Any) -> Any:
    """A file as its name and how many bytes it has."""
    match value:
        case bytes():
            return {"name": "upload", "bytes": len(value)}
        case (str() as name, bytes() as content):
            return {"name": name, "bytes": len(content)}
        case dict():
            return {key: as_json(one) for key, one in value.items()}
        case list() | tuple():
            return [as_json(one) for one in value]
    return value
