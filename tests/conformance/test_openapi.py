"""The OpenAPI document tells the truth: schemathesis asks whatever it allows, and more.

Every operation is called with generated requests, well formed and not, with ids of rows that are
there. No answer may be a 5xx, have a status or a content type the document does not name, or a
body that does not fit its schema; and what the document calls well formed must not be refused as
ill formed.
"""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chat.api.urls import api
from tests.server import Server

# The others are left out by design:
# - negative_data_rejection: unknown fields and parameters are ignored, too large pages reduced,
#   and an empty parameter is an absent one; contract.md asks for all of that;
# - positive_data_acceptance: a regular expression, a page token or an order is a string like any
#   other to a schema, and refused all the same when it is none;
# - missing_required_header, unsupported_method and ignored_auth have tests of their own
#   (tests/api/test_errors.py, test_permissions.py);
# - use_after_free and ensure_resource_availability need links between operations.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "4"))  # of each operation; more by hand
# Called without ids of rows that are there: these take them away, and what is followed never ends
# (tests/conformance/test_chat.py follows one).
UNNAMED = ("delete", "remove", "follow")


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


@pytest.fixture(scope="module")
def rows(server: Server) -> dict[str, Any]:
    """One of everything by the name of the field it goes into."""
    with server.api() as api:
        index = api.get("/indexes").json()["items"][0]
        directory = index["source_directory_id"]
        entry = api.get(f"/beta/directories/{directory}/files").json()["items"][0]
        session = api.post("/chat", json={}).json()["session_id"]
    return {
        "index_id": index["id"],
        "index_ids": [index["id"]],
        "directory_id": directory,
        "source_directory_id": directory,
        "directory_file_id": entry["id"],
        "file_id": entry["file_id"],
        "file_ids": [entry["file_id"]],
        "source_id": entry["id"],
        "session_id": session,
    }


document = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/"), default=str))
schema = schemathesis.openapi.from_dict(document)


@schema.parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, database=None)
def test_answers_are_as_documented(case: schemathesis.Case, server: Server, rows: dict[str, Any]):
    name_rows(case, rows)
    headers = {"Authorization": f"Bearer {server.api_key}"}

    case.call_and_validate(
        base_url=server.url, headers=headers, checks=CHECKS, timeout=30, allow_redirects=False
    )


def name_rows(case: schemathesis.Case, rows: dict[str, Any]) -> None:
    """Put ids of real rows where the request has ids."""
    if case.operation.definition.raw["operationId"].startswith(UNNAMED):
        return
    known = dict(rows)
    if "/retrieval/" in case.path:
        known["file_id"] = rows["directory_file_id"]
    for given in (case.path_parameters, case.query, case.body):
        if isinstance(given, dict):
            given.update({name: known[name] for name in given if name in known})
