"""The OpenAPI document: what Ninja makes of the operations, with all that it has no words for.

Of every operation it tells the errors it may answer, the headers, and an example of what comes
back, put together from the examples at the fields of its schema.
"""

from collections.abc import Mapping
from typing import Any

from .errors import Faults, Problem

JSON = "application/json"
OWN = "Carrel's own"

# The rows of the examples.
A_DIRECTORY = "dir-4f0c9a6e1b7d4c53a2e8f6d0b9c3a715"
A_DIRECTORY_FILE = "dfl-7b2e5d8c0a9f4361b4d7c1e6f3a80952"
AN_INDEX = "idx-1c8a3f7e6d5b4092a7e4d3c2b1f09e86"
A_SESSION = "ses-9d4b7a2c8e1f4350b6c9d8e7f2a1b304"

DESCRIPTION = f"""\
Documents in, passages and cited answers out. What LlamaCloud's Index V2 clients call is answered
here in the same shapes; the operations under *{OWN}* are additions, and so are the citations of a
`text` event, the header `Idempotency-Key` and the counts in an index's `metadata`.

Every call needs an API key: `Authorization: Bearer crl-…`, made with `manage.py create_api_key` or
in the admin. Lists come in pages: send `next_page_token` back as `page_token` until it is null.
Repeating a create with the same `Idempotency-Key` header answers what the first one answered.
Every answer carries an `X-Request-ID`.
"""

TAGS = {
    "Projects": "What a key opens.",
    "Files": "Bytes with a name.",
    "Directories": "Folders of files, for indexes to follow.",
    "Indexes": "Searchable collections, and the syncs that keep them equal to their directories.",
    "Retrieval": "Searching an index without a chat.",
    "Attachments": "Page pictures and items that a sync kept beside a file.",
    "Chat": "Sessions, and the stream of an answer.",
    OWN: "Beside what Index V2 clients call: no SDK has a method for these.",
}

HEADERS = {
    "X-Request-ID": {
        "description": "Name it when you report a problem. Yours, if the request brought one.",
        "required": True,
        "schema": {"type": "string"},
        "example": "5b0c3f0e5d0e4b0f8d0a4b9f6f1c2d3e",
    },
    "WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}},
    "Retry-After": {
        "description": "Try again after so many seconds.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "2",
    },
    "x-should-retry": {
        "description": "There when waiting will not change the answer; the SDKs heed it.",
        "schema": {"const": "false"},
    },
}


def refused(description: str, detail: Any, *headers: str) -> dict[str, Any]:
    schema = Problem if isinstance(detail, str) else Faults
    return {
        "description": description,
        "headers": refer("X-Request-ID", *headers),
        "content": {
            JSON: {
                "schema": {"$ref": f"#/components/schemas/{schema.__name__}"},
                "example": {"detail": detail},
            }
        },
    }


def refer(*headers: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}


ERRORS = {
    400: refused(
        "The request cannot be read, such as one with a thousand parameters.",
        "This request cannot be read.",
    ),
    401: refused(
        "The key is missing, unknown, revoked or expired.",
        "Send a valid API key as “Authorization: Bearer …”.",
        "WWW-Authenticate",
    ),
    403: refused("Yours to see, not to change.", "You may see this index, but not change it."),
    404: refused(
        "There is no such thing, or it is not the key's to see: the two read alike.",
        "No such index.",
    ),
    409: refused(
        "Right request, wrong moment.",
        "A sync of this index is running. Wait for it, or cancel it.",
        "x-should-retry",
    ),
    413: refused(
        "The body, or a file in it, is larger than this installation takes.",
        "A file may have at most 100 MB here.",
    ),
    422: refused(
        "The request makes no sense as it stands.",
        [{"loc": ["query", "page_size"], "msg": "Input should be …", "type": "greater_than_equal"}],
    ),
    429: refused(
        "The key's user has asked as much as their quota allows.",
        "Your quota of questions within an hour (60) is used up. Try again in 12 minutes.",
        "Retry-After",
        "x-should-retry",
    ),
    503: refused(
        "Something this needs is down, or the disk is full.",
        "The database is not available just now.",
        "Retry-After",
    ),
}

SIGNED_BYTES: dict[str, Any] = {
    "get": {
        "operationId": "get_content",
        "summary": "Fetch bytes by their signed address",
        "description": "The `url` that other calls answer. It needs no key, and is good for a "
        "while; what comes is an attachment, which no browser shows in place.",
        "tags": ["Files"],
        "security": [],
        "parameters": [
            {"in": "path", "name": "token", "schema": {"type": "string"}, "required": True}
        ],
        "responses": {
            200: {
                "description": "The exact bytes.",
                "headers": refer("X-Request-ID")
                | {
                    "Content-Disposition": {
                        "description": "`attachment`, with the name to save it under.",
                        "required": True,
                        "schema": {"type": "string"},
                    }
                },
                "content": {
                    "application/octet-stream": {
                        "schema": {"type": "string", "format": "binary"},
                        "example": "The pump is oiled every Monday.\n",
                    }
                },
            },
            403: refused(
                "The address was not made here, has been changed, or has expired.",
                "This address has expired. Ask for a new one.",
            ),
            404: refused("The bytes have been deleted.", "These bytes have been deleted."),
        },
    }
}


def complete(document: dict[str, Any], prefix: str) -> None:
    """Make Ninja's document whole."""
    components = document["components"]
    components["securitySchemes"]["Key"]["description"] = "An API key, `crl-…`."
    components["headers"] = HEADERS
    components["responses"] = {str(status): response for status, response in ERRORS.items()}
    for operations in document["paths"].values():
        for operation in operations.values():
            given = operation["responses"]
            operation["responses"] = {
                status: {"$ref": f"#/components/responses/{status}"}
                if status in ERRORS
                else succeeded(given[status], components["schemas"])
                for status in sorted(given)
            }
    document["paths"][f"{prefix}v1/content/{{token}}"] = SIGNED_BYTES
    document["tags"] = [{"name": name, "description": of} for name, of in TAGS.items()]


def succeeded(response: dict[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """What Ninja says of it, with headers and an example."""
    for media in response.get("content", {}).values():
        media.setdefault("example", example(media["schema"], schemas))
    return response | {"headers": refer("X-Request-ID")}


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """A value of the schema; None where it has to be told and was not."""
    match schema:
        case {"examples": [first, *_]}:
            return first
        case {"const": value} | {"enum": [value, *_]} | {"default": value}:
            return value
        case {"$ref": str(ref)}:
            return example(schemas[ref.rpartition("/")[2]], schemas)
        case {"anyOf": [first, *_]}:
            return example(first, schemas)
        case {"properties": dict(properties)}:
            return {name: example(inner, schemas) for name, inner in properties.items()}
        case {"items": dict(items)}:
            return [example(items, schemas)]
        case {"format": "uuid"}:
            return "0b7f3c5e-2d1a-4a6b-9c8d-7e6f5a4b3c2d"
        case {"format": "date-time"}:
            return "2026-03-02T09:30:00Z"
        case {"type": "object"}:
            return {}
        case {"type": "boolean"}:
            return False
    return None
