"""A person's own page: how the pages look to them, their keys and their data."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chat.events.types import Text, UserInput
from chat.models import APIKey, Event, Quota, Session, SignIn, Turn
from chat.web import sign_ins
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


def test_a_chosen_time_zone_counts_whatever_the_browser_says(client, session, reader):
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    write_turn(session, UserInput("When?"), Text("Now.", ()), done())
    Event.objects.update(created_at=noon)
    client.cookies["timezone"] = "Europe%2FBerlin"
    as_browser = page(client, "session", session.pk)

    refused = client.post(reverse("change_appearance"), {"time_zone": "Moon/Crater"})
    client.post(reverse("change_appearance"), {"time_zone": "Pacific/Kiritimati"})

    html = page(client, "session", session.pk)
    assert refused.status_code == 422
    assert "1 p.m." in as_browser
    assert "March 11, 2026, 2 a.m." in html
    assert 'data-zone="Pacific/Kiritimati"' in html


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


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"


def another_browser(reader, agent: str = FIREFOX) -> Client:
    other = Client(headers={"user-agent": agent})
    other.post(reverse("login"), {"username": reader.username, "password": "reading room"})
    return other


def is_signed_in(client: Client) -> bool:
    return client.get(reverse("account")).status_code == 200


def test_one_sees_where_one_is_signed_in_and_ends_one_of_them(client, reader):
    phone, laptop = another_browser(reader, IPHONE), another_browser(reader)
    SignIn.objects.filter(browser=IPHONE).update(seen_at=datetime(2026, 3, 1, 9, tzinfo=UTC))

    html = page(client, "account")
    sign_in = SignIn.objects.get(browser=IPHONE)
    client.post(reverse("end_sign_in", args=[sign_in.pk]))

    assert html.count("this one") == 1
    assert "Firefox on Linux" in html and "Safari on iPhone" in html
    assert "last used March 1, 2026, 9 a.m." in html
    assert [is_signed_in(one) for one in (client, phone, laptop)] == [True, False, True]
    assert "Safari on iPhone" not in page(client, "account").partition("<h2")[2]


def test_one_signs_out_everywhere_else(client, reader):
    others = [another_browser(reader), another_browser(reader)]
    stranger = Client()
    stranger.force_login(make_user("stranger"))

    client.post(reverse("end_sign_ins"))

    assert [is_signed_in(one) for one in others] == [False, False]
    assert is_signed_in(client) and is_signed_in(stranger)


def test_nobody_ends_the_sign_in_of_another_or_the_one_in_use(client, reader):
    stranger = make_user("stranger")
    Client().force_login(stranger)
    theirs, mine = SignIn.objects.get(user=stranger), SignIn.objects.get(user=reader)

    answers = [client.post(reverse("end_sign_in", args=[one.pk])) for one in (theirs, mine)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert SignIn.objects.count() == 2


def test_signing_out_and_a_new_password_leave_no_row_behind(client, reader):
    other = another_browser(reader)
    new = {"old_password": "reading room", "new_password1": "lamp-9-x", "new_password2": "lamp-9-x"}
    client.post(reverse("change_password"), new)

    assert not is_signed_in(other)
    html = page(client, "account")
    assert html.count('class="key-list__name"') == 1
    client.logout()
    assert not SignIn.objects.exists()


def test_a_browser_in_use_is_noted_again_after_a_while(client, reader, monkeypatch):
    SignIn.objects.update(seen_at=datetime(2026, 3, 1, tzinfo=UTC))
    page(client, "account")
    assert SignIn.objects.get().seen_at.month == 3

    monkeypatch.setattr(sign_ins, "FRESH", 0.0)
    page(client, "account")

    assert SignIn.objects.get().seen_at > timezone.now() - timedelta(minutes=1)


def test_who_has_a_quota_sees_how_much_of_it_is_left(client, reader):
    assert "account-quota" not in page(client, "account")

    Quota.objects.create(turns_per_hour=60, tokens_per_day=20_000)
    Turn.objects.create(
        session=make_session(reader), seq=1, asked_by=reader, state="done", input_tokens=1_500
    )
    html = " ".join(page(client, "account").split())

    assert "1 of 60 questions within an hour" in html
    assert "1,500 of 20,000 tokens within 24 hours" in html
    assert 'max="20000" value="1500"' in html
