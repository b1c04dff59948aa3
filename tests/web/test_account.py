"""A person's own page: how the pages look to them, their keys and their data."""

import io
import json
import zipfile
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse
from django.utils import timezone

from chat.events.types import Text, UserInput
from chat.models import APIKey, Session
from tests.factories import make_key, make_project, make_session, make_user
from tests.web.conftest import done, write_turn

pytestmark = pytest.mark.django_db


def page(client, name: str, *args, **headers) -> str:
    return client.get(reverse(name, args=args), headers=headers).content.decode()


def test_a_language_is_kept_with_the_person_not_with_the_browser(client, reader):
    client.post(reverse("change_appearance"), {"language": "de"})
    client.logout()
    client.force_login(reader)

    html = page(client, "account", accept_language="en")

    assert '<html lang="de"' in html
    assert "Ihr Konto" in html


def test_theme_and_letters_are_on_the_very_next_page(client):
    client.post(reverse("change_appearance"), {"theme": "dark", "font": "serif"})

    html = page(client, "home")

    assert 'data-theme="dark"' in html
    assert 'data-font="serif"' in html


def test_a_name_is_changed_and_a_wrong_address_is_refused_beside_its_field(client, reader):
    url = reverse("change_profile")
    refused = client.post(url, {"first_name": "Rita", "email": "nowhere"})
    accepted = client.post(url, {"first_name": "Rita", "email": "rita@example.org"})

    reader.refresh_from_db()
    assert refused.status_code == 422
    assert 'id="id_email_error"' in refused.content.decode()
    assert accepted.status_code == 302
    assert (reader.first_name, reader.email) == ("Rita", "rita@example.org")


def test_a_new_password_leaves_one_signed_in(client, reader):
    asked = {"old_password": "reading room", "new_password1": "lamp-green-9"}
    url = reverse("change_password")
    wrong = client.post(url, asked | {"new_password2": "lamp-red-9"})
    right = client.post(url, asked | {"new_password2": "lamp-green-9"})

    reader.refresh_from_db()
    assert wrong.status_code == 422
    assert right.status_code == 302
    assert reader.check_password("lamp-green-9")
    assert client.get(reverse("account")).status_code == 200


def test_a_key_is_shown_once_opens_the_api_and_does_not_when_revoked(client, reader):
    project = reader.projects.get()
    made = client.post(reverse("new_key"), {"name": "Notebook", "project": project.pk, "days": 30})
    key = APIKey.objects.get(user=reader)
    secret = made.content.decode().split('<code id="secret">')[1].split("<")[0]
    listed = page(client, "account")
    bearer = {"authorization": f"Bearer {secret}"}
    before = client.get("/api/v1/projects", headers=bearer).status_code

    client.post(reverse("revoke_key", args=[key.pk]))

    assert secret not in listed
    assert "Notebook" in listed
    assert key.prefix in listed
    assert key.expires_at - timezone.now() > timedelta(days=29)
    assert before == 200
    assert client.get("/api/v1/projects", headers=bearer).status_code == 401
    assert key.prefix not in page(client, "account")


def test_keys_are_made_for_ones_own_projects_and_revoked_by_their_owner(client, reader):
    elsewhere = make_project("Elsewhere")
    theirs, _secret = make_key(make_user("colleague"))

    refused = client.post(reverse("new_key"), {"name": "Mine", "project": elsewhere.pk})
    unknown = client.post(reverse("revoke_key", args=[theirs.pk]))

    assert refused.status_code == 422
    assert unknown.status_code == 404
    assert not APIKey.objects.filter(user=reader).exists()


async def test_the_archive_holds_ones_own_sessions_to_read_and_for_programs(
    async_client, transactional_db
):
    @sync_to_async
    def write() -> Session:
        reader = make_user("keeper", email="k@example.org")
        async_client.force_login(reader)
        make_session(make_user("other"), title="Not mine")
        mine = make_session(reader, title="Lamps & pencils")
        write_turn(mine, UserInput("What colour?"), Text("Green.", ()), done())
        return mine

    mine = await write()

    response = await async_client.get(reverse("my_data"))
    archive = zipfile.ZipFile(io.BytesIO(b"".join([piece async for piece in response])))

    names = archive.namelist()
    stem = f"sessions/{mine.created_at:%Y-%m-%d} lamps-pencils {mine.pk}"
    assert set(names) == {"profile.json", f"{stem}.md", f"{stem}.json"}
    assert archive.testzip() is None
    assert json.loads(archive.read("profile.json"))["email"] == "k@example.org"
    assert "Green." in archive.read(f"{stem}.md").decode()
    [turn] = json.loads(archive.read(f"{stem}.json"))["turns"]
    assert (turn["question"], turn["answer"], turn["asked_by"]) == (
        "What colour?",
        "Green.",
        "keeper",
    )
