"""Attachments over the API."""

from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from chat.retrieval.attachments import path_of
from tests.factories import make_directory, make_file

from .conftest import Caller


@pytest.fixture(autouse=True)
def files_of_this_test(settings, tmp_path: Path):
    settings.MEDIA_ROOT = tmp_path


def keep(entry, *names: str) -> None:
    for name in names:
        default_storage.save(path_of(entry.file, name), ContentFile(b"bytes"))


def test_attachments_are_listed_by_page_under_either_id(api: Caller):
    entry = make_file(make_directory())
    names = [f"screenshots/page_{number}.jpg" for number in (1, 2, 10)]
    keep(entry, *reversed(names))

    first = api.get("/beta/attachments", source_id=entry.pk, page_size=2).json()
    rest = api.get(
        "/beta/attachments", source_id=entry.file_id, page_token=first["next_page_token"]
    ).json()

    assert [one["name"] for one in first["items"] + rest["items"]] == names
    assert first["items"][0]["size"] == 5
    assert rest["next_page_token"] is None


def test_an_attachment_has_a_signed_address(api: Caller):
    entry = make_file(make_directory())
    keep(entry, "screenshots/page_1.jpg")
    name = quote("screenshots/page_1.jpg", safe="")

    signed = api.get(f"/beta/attachments/{name}", source_id=entry.pk).json()

    assert signed["form_fields"] is None
    assert api.client.get(signed["url"]).status_code == 200


def test_a_file_without_attachments_has_an_empty_page(api: Caller):
    entry = make_file(make_directory())

    assert api.get("/beta/attachments", source_id=entry.pk).json()["items"] == []


def test_the_source_must_be_named_and_ones_own(api: Caller, stranger: Caller):
    entry = make_file(make_directory())
    keep(entry, "items/page_1.json")
    name = quote("items/page_1.json", safe="")

    missing = [api.get("/beta/attachments"), api.get(f"/beta/attachments/{name}")]
    foreign = [
        stranger.get("/beta/attachments", source_id=entry.pk),
        stranger.get("/beta/attachments", source_id=entry.file_id),
        stranger.get(f"/beta/attachments/{name}", source_id=entry.pk),
        stranger.get("/beta/attachments", source_id="dfl-0"),
    ]

    assert [answer.status_code for answer in missing] == [422, 422]
    assert [answer.status_code for answer in foreign] == [404] * 4


@pytest.mark.parametrize("name", ["screenshots/page_2.jpg", "../../secret_key", "items", "x\0"])
def test_what_is_not_there_is_not_found(api: Caller, name: str):
    entry = make_file(make_directory())

    response = api.get(f"/beta/attachments/{quote(name, safe='')}", source_id=entry.pk)

    assert response.status_code == 404
