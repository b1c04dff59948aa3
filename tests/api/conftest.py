"""A key, and a client that sends it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.factories import make_key, make_project, make_user


class Caller:
    """Calls ``/api/v1`` with a key; bodies are JSON unless files are among them."""

    def __init__(self, secret: str):
        self.client = Client(headers={"Authorization": f"Bearer {secret}"})

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(f"/api/v1{path}", query)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.send("post", path, body, **headers)

    def patch(self, path: str, body: Any) -> HttpResponse:
        return self.send("patch", path, body)

    def delete(self, path: str) -> HttpResponse:
        return self.client.delete(f"/api/v1{path}")

    def send(self, method: str, path: str, body: Any, **headers: str) -> HttpResponse:
        call = getattr(self.client, method)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = b"" if body is None else body
        return call(f"/api/v1{path}", data, content_type="application/json", headers=named)

    def upload(
        self, path: str, content: bytes, name: str, key: str = "", **fields: Any
    ) -> HttpResponse:
        """A multipart form written by hand, so that the name goes out as it is given."""
        part = "upload_file" if "/upload" in path else "file"
        boundary = "-made-by-hand-"
        lines = []
        for field, value in fields.items():
            lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{field}"', "", value]
        disposition = f'Content-Disposition: form-data; name="{part}"; filename="{name}"'
        lines += [f"--{boundary}", disposition, "Content-Type: application/octet-stream", "", ""]
        body = "\r\n".join(lines).encode() + content + f"\r\n--{boundary}--\r\n".encode()
        return self.client.post(
            f"/api/v1{path}",
            body,
            content_type=f"multipart/form-data; boundary={boundary}",
            headers={"Idempotency-Key": key},
        )


@pytest.fixture
def api(db: None) -> Caller:
    """A manager of the default project."""
    return Caller(make_key()[1])


@pytest.fixture
def stranger(db: None) -> Caller:
    """A manager of another project, and of that alone."""
    return Caller(make_key(project=make_project())[1])


@pytest.fixture
def caller_with_role(db: None) -> Callable[[int], Caller]:
    return lambda role: Caller(make_key(make_user(role=role))[1])
