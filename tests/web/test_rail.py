"""The rail: whose sessions, in which order, and what each row says."""

import json
from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from chat.events.types import Text, UserInput
from chat.models import Session, Turn, Visit
from tests.factories import make_session, make_user
from tests.web.conftest import done, write_turn

pytestmark = pytest.mark.django_db


def page(client, name: str, *args, **headers) -> str:
    return client.get(reverse(name, args=args), headers=headers).content.decode()


def row(html: str, session: Session) -> str:
    return html.split(f'id="row-{session.pk}"')[1].split("</li>")[0]


def answer(session: Session) -> None:
    """A turn that ends now."""
    turn = write_turn(session, UserInput("Why?"), Text("So.", ()), done())
    Turn.objects.filter(pk=turn.pk).update(finished_at=timezone.now())


def test_a_session_is_unread_when_its_answer_came_after_the_last_look(client, session):
    answer(session)
    never_opened = row(page(client, "home"), session)
    page(client, "session", session.pk)
    opened = row(page(client, "home"), session)

    answer(session)
    away = row(page(client, "home"), session)
    page(client, "session", session.pk)

    assert "data-unread" not in never_opened
    assert "data-unread" not in opened
    assert "data-unread" in away
    assert "data-unread" not in row(page(client, "home"), session)


def test_what_a_colleague_shared_is_listed_once_opened_and_as_long_as_it_is_shared(
    client, session, reader
):
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    client.force_login(make_user("colleague"))
    before = page(client, "home")

    page(client, "session", session.pk)
    opened = page(client, "home")
    Session.objects.update(sharing=Session.Sharing.PRIVATE)

    assert session.pk not in before
    assert "Shared with you" in opened
    assert "Options for" not in row(opened, session)
    assert session.pk not in page(client, "home")


def test_the_owner_sees_who_has_opened_a_shared_session(client, session):
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    unopened = page(client, "share", session.pk)
    colleague = make_user("colleague", first_name="Mira", last_name="Lang")
    Visit.note(session, colleague)

    opened = page(client, "share", session.pk)

    assert "Nobody else has opened it yet." in unopened
    assert "Mira Lang" in opened


def test_rows_are_asked_for_by_id_and_what_is_not_listed_any_more_goes(client, session):
    theirs = make_session(make_user("stranger"), title="Secret")
    archived = make_session(session.owner, title="Away", archived_at=timezone.now())
    asked = {"id": [session.pk, theirs.pk, archived.pk, "</p>"]}

    html = client.get(reverse("rows"), asked).content.decode()

    assert "Lamps" in row(html, session)
    assert "Secret" not in html
    for gone in (theirs, archived):
        assert f'hx-target="#row-{gone.pk}" hx-swap="delete"' in html
    assert "</p>" not in html


@pytest.mark.parametrize(
    ("zone", "heading"),
    [("Pacific%2FKiritimati", "Yesterday"), ("UTC", "Today"), ("No/Zone", "Today")],
)
def test_days_are_those_of_the_readers_own_zone(client, session, zone, heading, monkeypatch):
    noon = datetime.fromisoformat("2026-03-10T12:00+00:00")  # two in the morning, far in the east
    monkeypatch.setattr(timezone, "now", lambda: noon)
    Session.objects.update(last_used_at=noon - timedelta(hours=3))
    client.cookies["timezone"] = zone

    html = page(client, "home")

    assert f"<h2>{heading}</h2>" in html.split(f"row-{session.pk}")[0][-600:]


def test_a_reader_exports_what_was_said_as_json(client, session, answered):
    answered("What colour?", "Green [1].")
    Session.objects.update(sharing=Session.Sharing.READ_ONLY)
    client.force_login(make_user("colleague"))

    response = client.get(reverse("export_json", args=[session.pk]))

    assert "attachment" in response["Content-Disposition"]
    facts = json.loads(response.content)
    assert facts["indexes"][0]["name"] == "Rules"
    assert facts["turns"][0]["answer"] == "Green [1]."
    assert facts["turns"][0]["citations"][0]["file_name"] == "rules.md"


def test_nobody_who_is_not_signed_in_hears_any_news(client):
    client.logout()

    response = client.get(reverse("live"))

    assert response.status_code == 302


@pytest.mark.parametrize(("asked", "listed"), [("", 50), ("20", 50), ("71", 71), ("none", 50)])
def test_the_list_is_read_anew_as_far_down_as_it_was_loaded(client, reader, asked, listed):
    for _ in range(90):
        make_session(reader)

    url = f"{reverse('rail')}?rows={asked}"
    html = client.get(url, headers={"hx-request": "true"}).content.decode()

    assert html.count('id="row-') == listed
    assert "rail__older" in html
