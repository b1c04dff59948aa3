"""The OpenAPI document tells of every operation what it can answer, no more and no less."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import llama_cloud.resources
import pytest
from django.db import connection
from django.http import HttpResponse

from chat.agent.citations import Shown, resolve
from chat.api.example import CITATION, PASSAGE
from chat.api.openapi import A_DIRECTORY_FILE, AN_INDEX, OWN
from chat.models import CreateOnce, DirectoryFile, Index, Quota, Role, Session, Turn
from chat.models.sessions import lease_end
from tests.factories import make_file, make_index, make_key, make_session, make_user

from .conftest import Caller
from .walking import NOBODY, SIGNED, Place, ask, document, operations, rows_of

# What is asked in a thread of its own would wait for a test's open transaction.
transactional = pytest.mark.django_db(transaction=True)
Answers = dict[str, HttpResponse]
ORGANIZATION = ("query", "organization_id")


@pytest.fixture(autouse=True)
def files_of_this_test(settings, tmp_path: Path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def mine(api: Caller) -> dict[str, Any]:
    return rows_of(api, page=1)


def answers(
    caller: Caller,
    ids: dict[str, Any],
    other: Callable[[str], dict[Place, Any]] = lambda name: {},
    key: str = "",
) -> Answers:
    """What every operation answers; those that delete come last."""
    walk = sorted(operations(), key=lambda one: one[1] == "delete")
    return {
        operation["operationId"]: ask(
            caller, path, method, operation, ids, other(operation["operationId"]), key
        )
        for path, method, operation in walk
    }


def documented(status: int) -> set[str]:
    return {
        operation["operationId"]
        for _, _, operation in operations()
        if str(status) in operation["responses"]
    }


def check(status: int, given: Answers) -> None:
    """The operations that document the status answer it, as they say they do; no other does."""
    refused = {name: answer for name, answer in given.items() if answer.status_code == status}
    assert set(refused) == documented(status)
    promised = resolved(
        next(
            o["responses"][str(status)] for _, _, o in operations() if str(status) in o["responses"]
        )
    )
    for name, answer in refused.items():
        fit(promised["content"]["application/json"]["schema"], answer.json())
        for header, about in promised["headers"].items():
            if resolved(about).get("required"):
                assert header in answer, name


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: Any = document()
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def fit(schema: dict[str, Any], value: Any) -> None:
    whole = schema | {"components": document()["components"]}
    jsonschema_rs.validator_for(whole, validate_formats=True).validate(value)


@transactional
@pytest.mark.parametrize(("status", "organization"), [(404, NOBODY), (422, "nonsense")])
def test_an_organisation_that_is_none(api: Caller, mine, status: int, organization: str):
    check(status, answers(api, mine, lambda _: {ORGANIZATION: organization}))


@transactional
def test_a_key_that_is_none(mine):
    check(401, answers(Caller("nonsense"), mine))


@transactional
def test_too_many_parameters(api: Caller, mine, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3

    check(400, answers(api, mine, lambda _: {ORGANIZATION: ["a"] * 4}))


@transactional
def test_too_large_a_body(api: Caller, mine, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1
    settings.MAX_UPLOAD_MB = 0

    check(413, answers(api, mine))


@transactional
def test_a_database_that_is_not_as_it_should_be(api: Caller, mine):
    rename = "ALTER TABLE {} RENAME TO {}".format
    with connection.cursor() as cursor:
        cursor.execute(rename("chat_apikey", "elsewhere"))
        try:
            check(503, answers(api, mine))
        finally:
            cursor.execute(rename("elsewhere", "chat_apikey"))


@transactional
def test_what_one_may_see_but_not_change(mine):
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    viewer = Caller(make_key(make_user(role=Role.VIEWER))[1])

    check(403, answers(viewer, mine))


@transactional
def test_the_wrong_moment():
    """An index in its first sync, a session whose turn runs, an id that is taken, a create that
    another call is at work on; and nothing to cancel."""
    key, secret = make_key()
    api = Caller(secret)
    ids = rows_of(api, page=1)
    index = Index.objects.get(pk=ids["index_id"])
    Index.objects.filter(pk=index.pk).update(last_synced_at=None)
    index.syncs.create()
    make_file(index.directory, "taken")
    session = Session.objects.get(pk=ids["session_id"])
    session.turns.create(seq=2, lease_owner="elsewhere", lease_expires_at=lease_end())
    for path, method, _ in operations():
        route = f"{method.upper()} {path.format_map(ids | {'attachment_name': 'x'})}"
        CreateOnce.objects.create(key=key, name="k", route=route)
    idle: dict[str, dict[Place, Any]] = {
        "cancel_sync": {("path", "index_id"): make_index().pk},
        "cancel_turn": {("path", "session_id"): make_session(key.user).pk},
        "update_directory_file": {("body", "unique_id"): "taken"},
    }

    check(409, answers(api, ids, lambda name: idle.get(name, {}), "k"))
    assert DirectoryFile.objects.filter(unique_id="taken").count() == 1


@transactional
def test_a_quota_that_is_used_up(api: Caller, mine):
    Turn.objects.update(asked_by=Session.objects.get(pk=mine["session_id"]).owner)
    Quota.objects.create(turns_per_hour=1)

    check(429, answers(api, mine))


def test_what_waiting_cannot_cure_says_so(api: Caller):
    index = make_index()

    settled = api.post(f"/indexes/{index.pk}/sync/cancel")

    assert settled["x-should-retry"] == "false"


def successes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Operation, content type and what is said of it, of every answer that has a body."""
    for methods in document()["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    for kind, media in response.get("content", {}).items():
                        yield operation["operationId"], kind, media


def test_every_success_has_an_example_that_fits_its_schema():
    for operation, kind, media in successes():
        assert "example" in media, operation
        if kind == "application/json":
            fit(media["schema"], media["example"])
        elif kind == "text/event-stream":
            for frame in media["example"].removesuffix("\n\n").split("\n\n"):
                fields = dict(line.split(": ", 1) for line in frame.split("\n"))
                fit(media["schema"], fields)
                inside = media["schema"]["properties"]["data"]["contentSchema"]
                fit(inside, json.loads(fields["data"]))


def test_every_answer_has_a_request_id():
    for _, _, operation in operations():
        for status, response in operation["responses"].items():
            assert "X-Request-ID" in resolved(response)["headers"], (operation, status)


def test_the_example_of_a_citation_is_what_an_answer_gets():
    span = {name: CITATION[name] for name in ("start_char", "end_char", "page", "file_name")}
    shown = Shown(1, AN_INDEX, A_DIRECTORY_FILE, text=PASSAGE["content"], **span)

    assert resolve("The pump is oiled every Monday [1].", {1: shown}) == (CITATION,)


def test_operations_are_ours_exactly_if_the_sdk_has_none():
    """By the addresses in the SDK's sources, the names of whose parameters may differ."""
    call = re.compile(r'self\._(\w+)\(\s*(?:path_template\(\s*)?"(/api/v\d/[^"]*)"')
    sources = Path(llama_cloud.resources.__file__).parent.rglob("*.py")
    found = [call.findall(source.read_text()) for source in sources]
    theirs = {(method, nameless(path)) for calls in found for method, path in calls}
    ours = {
        operation["operationId"]
        for path, method, operation in operations()
        if not {(method, nameless(path)), ("get_api_list", nameless(path))} & theirs
    }

    assert ours == {
        operation["operationId"] for _, _, operation in operations() if operation["tags"] == [OWN]
    }
    assert "update_session" in ours and SIGNED not in ours


def nameless(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path)
