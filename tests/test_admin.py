"""The admin, through its pages: every row can be found, and the buttons do what they say."""

import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise

from chat.admin.reasons import READ
from chat.models import (
    Actor,
    APIKey,
    Chunk,
    CreateOnce,
    Document,
    Event,
    Feedback,
    Index,
    Membership,
    Preferences,
    QueuedPrompt,
    Quota,
    Role,
    Session,
    SignIn,
    Turn,
    TurnWords,
    Visit,
)
from chat.models.projects import digest
from tests.factories import (
    make_admin,
    make_directory,
    make_file,
    make_index,
    make_key,
    make_project,
    make_session,
    make_user,
)

pytestmark = pytest.mark.django_db

WHY = "A person asked for help."

# Not the words of turns: derived, and what people said is read in their sessions, with a reason.
MODELS = sorted(
    {*apps.get_app_config("chat").get_models()} - {TurnWords}, key=lambda model: model.__name__
)


@pytest.fixture
def client(client):
    client.force_login(make_admin())
    return client


@pytest.fixture
def filled() -> dict[str, object]:
    return fill("Papers")


def fill(name: str) -> dict[str, object]:
    """One row of everything, by the name of its model."""
    directory = make_directory(name, make_project(name))
    entry = make_file(directory)
    index = make_index(directory=directory)
    sync = index.syncs.create(state="failed", error="The worker was stopped.")
    document = Document.objects.create(
        index=index,
        directory_file=entry,
        name="note.md",
        sha256="0" * 64,
        reader="1",
        state="ready",
    )
    chunk = Chunk.objects.create(
        document=document,
        index=index,
        ordinal=0,
        text="A reading room.",
        start_char=0,
        end_char=15,
        token_count=4,
        embedding=b"\0" * 16,
    )
    session = make_session(indexes=(index,), title="Rooms")
    turn = Turn.objects.create(session=session, seq=1, state="done")
    event = log(turn, 1, "user_input", {"content": "Where can one\nread?"})
    key, _ = make_key(project=directory.project)
    rows = [directory, entry, entry.file, index, sync, document, chunk, session, turn, event, key]
    rows += [CreateOnce.objects.create(key=key, name="1", route="POST /files")]
    rows += [Feedback.objects.create(turn=turn, user=key.user, rating="good", comment="Right.")]
    rows += [session.queued_prompts.create(asked_by=key.user, prompt="And then?")]
    rows += [Visit.objects.create(session=session, user=key.user)]
    rows += [Quota.objects.create(group=Group.objects.create(name=f"{name}, noted"))]
    rows += [Preferences.objects.create(user=key.user, language="de")]
    Client().force_login(key.user)
    rows += [SignIn.objects.get(user=key.user)]
    rows += [session.bound_indexes.get(), session.project, session.project.memberships.first()]
    return {type(row).__name__: row for row in rows}


def log(turn: Turn, seq: int, type: str, payload: dict) -> Event:
    return Event.objects.create(
        session=turn.session,
        turn=turn,
        seq=seq,
        type=type,
        payload=payload,
        created_at=timezone.now(),
    )


def run_action(client, model: type, action: str, *rows) -> list[str]:
    """Run it on the rows from the list page; the messages the next page shows."""
    page = client.post(
        reverse(f"admin:chat_{model._meta.model_name}_changelist"),
        {"action": action, "_selected_action": [row.pk for row in rows]},
        follow=True,
    )
    return [str(message) for message in page.context["messages"]]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_a_list_a_search_and_a_page(client, filled, model):
    name = f"admin:chat_{model._meta.model_name}"

    found = client.get(reverse(f"{name}_changelist"), {"q": "note"})
    listed = client.get(reverse(f"{name}_changelist"))
    row = listed.context["cl"].result_list[0]
    if model in (Session, Event, QueuedPrompt):
        client.post(reverse(f"{name}_change", args=[row.pk]), {"reason": WHY})
    page = client.get(reverse(f"{name}_change", args=[row.pk]))

    assert found.status_code == listed.status_code == page.status_code == 200
    assert admin.site._registry[model].search_fields


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_longer_list_asks_the_database_no_more_often(
    client, filled, model, django_assert_num_queries
):
    url = reverse(f"admin:chat_{model._meta.model_name}_changelist")
    with CaptureQueriesContext(connection) as before:
        client.get(url)

    for number in range(3):
        fill(f"More {number}")

    with django_assert_num_queries(len(before)):
        client.get(url)


@pytest.mark.parametrize("model", [Event, Turn, Chunk, Document], ids=lambda model: model.__name__)
def test_what_the_machine_wrote_cannot_be_changed_by_hand(client, filled, model):
    row = filled[model.__name__]
    name = f"admin:chat_{model._meta.model_name}"

    added = client.post(reverse(f"{name}_add"), {})
    changed = client.post(reverse(f"{name}_change", args=[row.pk]), {})
    deleted = client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"})

    assert [added.status_code, changed.status_code, deleted.status_code] == [403, 403, 403]
    assert model.objects.filter(pk=row.pk).exists()


def test_a_new_key_is_shown_once_and_opens_the_door(client):
    user = make_user(role=Role.EDITOR)
    project = user.projects.get()

    page = client.post(
        reverse("admin:chat_apikey_add"),
        {"name": "nightly upload", "user": user.pk, "project": project.pk},
        follow=True,
    )
    again = client.get(reverse("admin:chat_apikey_change", args=[APIKey.objects.get().pk]))

    secret = re.search(r"crl-[\w-]+", page.content.decode()).group()
    assert APIKey.objects.with_digest(digest(secret)).get().user == user
    assert secret not in again.content.decode()


def test_a_key_to_a_project_its_user_is_not_in_is_refused(client):
    stranger = make_user(role=None)

    page = client.post(
        reverse("admin:chat_apikey_add"),
        {"name": "useless", "user": stranger.pk, "project": make_project().pk},
    )

    assert "is not a member" in page.content.decode()
    assert not APIKey.objects.exists()


def test_a_revoked_key_opens_nothing(client):
    key, secret = make_key()

    messages = run_action(client, APIKey, "revoke", key)

    assert messages == ["Revoked: 1. They open nothing from now on."]
    assert not APIKey.objects.with_digest(digest(secret)).exists()


def test_an_index_can_be_synced_from_the_list(client):
    index = make_index()

    messages = run_action(client, Index, "sync_now", index)

    assert messages == ["Syncs asked for: 1."]
    assert index.syncs.get().state == "queued"


def test_asking_for_a_second_sync_says_why_not(client):
    index = make_index()
    index.syncs.create()

    messages = run_action(client, Index, "sync_now", index)

    assert messages == ["Papers: A sync of this index is running. Wait for it, or cancel it."]


def test_a_new_index_is_synced_and_belongs_to_its_directorys_project(client):
    directory = make_directory(project=make_project("Archive"))

    client.post(
        reverse("admin:chat_index_add"),
        {
            "name": "Letters",
            "directory": directory.pk,
            "sync_frequency": "manual",
            "syncs-TOTAL_FORMS": 0,
            "syncs-INITIAL_FORMS": 0,
        },
    )

    index = Index.objects.get()
    assert index.project.name == "Archive"
    assert index.syncs.get().state == "queued"


def test_deleting_an_index_keeps_the_row_and_says_only_what_was_chosen(client, filled):
    index = filled["Index"]
    url = reverse("admin:chat_index_delete", args=[index.pk])

    question = client.get(url)
    client.post(url, {"post": "yes"})

    assert "A reading room" not in question.content.decode()
    assert not Index.objects.live().exists()
    assert Document.objects.filter(index=index).exists()


@pytest.fixture
def answered(filled) -> Session:
    """A session of somebody else, with one turn."""
    turn = filled["Turn"]
    call = {"call_id": "c1", "name": "grep", "arguments": {"pattern": "room"}}
    usage = {"duration_ms": 1500, "total_input_tokens": 3, "total_output_tokens": 4, "turns": 2}
    log(turn, 2, "tool_call", call)
    log(turn, 3, "tool_result", {"call_id": "c1", "name": "grep", "result": {"items": []}})
    log(turn, 4, "text_delta", {"content": "Upst"})
    log(turn, 5, "text", {"content": "Upstairs <b>now</b>.", "citations": []})
    log(turn, 6, "stop", {"is_error": False, "error": None, "usage": usage})
    return filled["Session"]


def page_of(session: Session) -> str:
    return reverse("admin:chat_session_change", args=[session.pk])


def test_a_sessions_page_tells_what_happened_in_it(client, answered):
    place = {"metadata": {"file_name": "plan.pdf"}, "content": "Upstairs."}
    found = [{"number": 1, "score": 0.8, **place}, {"number": 2, "score": 0.25, **place}]
    result = {"call_id": "c2", "name": "retrieve", "result": {"results": found}}
    log(answered.turns.get(), 7, "tool_result", result)
    client.post(page_of(answered), {"reason": WHY})

    page = client.get(page_of(answered)).content.decode()

    assert "Where can one read?" in page
    assert "grep(pattern=&#x27;room&#x27;)" in page
    assert "retrieve: 2 passages: [1] plan.pdf 0.80, [2] plan.pdf 0.25" in page
    assert "Upstairs &lt;b&gt;now&lt;/b&gt;." in page
    assert "done (2 rounds, 1.5 s)" in page
    assert "text_delta" not in page


def doors_to(session: Session) -> list[str]:
    """Every page that shows what was asked or answered."""
    event, prompt = session.events.earliest("seq"), session.queued_prompts.get()
    return [
        page_of(session),
        reverse("admin:chat_session_export", args=[session.pk, "json"]),
        reverse("admin:chat_session_export", args=[session.pk, "md"]),
        reverse("admin:chat_event_change", args=[event.pk]),
        reverse("admin:chat_queuedprompt_change", args=[prompt.pk]),
    ]


def test_nothing_of_anothers_session_is_shown_before_a_reason_is_given(client, answered):
    for door in [*doors_to(answered), reverse("admin:chat_event_changelist")]:
        html = client.get(door).content.decode()

        assert "Where can one" not in html
        assert "And then?" not in html
    assert "Why do you read this session?" in client.get(page_of(answered)).content.decode()
    assert not LogEntry.objects.exists()


def test_a_reason_opens_the_session_for_an_hour_and_is_kept(client, answered):
    refused = client.post(page_of(answered), {"reason": " why "})
    client.post(page_of(answered), {"reason": WHY})
    opened = [client.get(door).content.decode() for door in doors_to(answered)]
    history = client.get(reverse("admin:chat_session_history", args=[answered.pk]))
    LogEntry.objects.update(action_time=timezone.now() - timedelta(hours=2))
    later = client.get(page_of(answered)).content.decode()

    assert "Say it in a few words." in refused.content.decode()
    assert all("Where can one" in html for html in opened[:4]) and "And then?" in opened[4]
    assert WHY in history.content.decode()
    assert "Where can one" not in later
    assert LogEntry.objects.filter(object_id=answered.pk, action_flag=READ).count() == 1


def test_the_reason_of_one_administrator_opens_nothing_for_another(client, answered):
    client.post(page_of(answered), {"reason": WHY})

    client.force_login(make_admin())

    assert "Where can one" not in client.get(page_of(answered)).content.decode()


def test_somebody_is_signed_out_from_the_list_and_no_page_shows_the_key(client):
    other = Client()
    other.force_login(make_user("rosa"))
    sign_in = SignIn.objects.get(user__username="rosa")

    page = client.get(reverse("admin:chat_signin_change", args=[sign_in.pk])).content.decode()
    said = run_action(client, SignIn, "end", sign_in)

    assert sign_in.session_id not in page
    assert said == ["Signed out: 1."]
    assert other.get(reverse("account")).status_code == 302


def test_ones_own_session_needs_no_reason(client, answered):
    answered.owner.is_staff = answered.owner.is_superuser = True
    answered.owner.save()
    client.force_login(answered.owner)

    assert "Where can one read?" in client.get(page_of(answered)).content.decode()


def test_a_session_is_exported_whole_or_as_it_reads(client, answered):
    client.post(page_of(answered), {"reason": WHY})

    whole = client.get(reverse("admin:chat_session_export", args=[answered.pk, "json"])).json()
    reads = client.get(reverse("admin:chat_session_export", args=[answered.pk, "md"]))

    assert [event["type"] for event in whole["events"]] == [
        *("user_input", "tool_call", "tool_result", "text", "stop")
    ]
    assert "## Where can one\nread?\n\nUpstairs <b>now</b>." in reads.content.decode()
    assert "attachment" in reads["Content-Disposition"]
    assert LogEntry.objects.filter(change_message__startswith="Exported it").count() == 2


def test_a_session_is_exported_in_no_other_form(client, answered):
    client.post(page_of(answered), {"reason": WHY})

    for kind in ("pdf", "m\nd"):
        page = client.get(reverse("admin:chat_session_export", args=[answered.pk, kind]))
        assert page.status_code == 404


def test_the_list_of_keys_says_which_open_nothing_any_more(client):
    key, _secret = make_key()
    address = reverse("admin:chat_apikey_changelist")
    assert "icon-yes" in client.get(address).content.decode()

    Membership.objects.filter(user=key.user).delete()

    assert "icon-no" in client.get(address).content.decode()


def test_the_buttons_of_a_session_do_what_they_say_and_leave_a_trace(client, answered):
    Session.objects.update(sharing=Session.Sharing.QUERY)

    for name in ("make_private", "archive"):
        client.post(reverse("admin:chat_session_press", args=[answered.pk, name]))

    answered.refresh_from_db()
    assert answered.sharing == Session.Sharing.PRIVATE
    assert answered.archived_at is not None
    assert LogEntry.objects.filter(object_id=answered.pk).count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_running_answer_is_stopped_at_a_button(client, filled):
    Turn.objects.update(state=Turn.State.RUNNING)

    client.post(reverse("admin:chat_session_press", args=[filled["Session"].pk, "stop"]))

    assert Turn.objects.get().cancel_requested


@pytest.mark.parametrize("name", ["delete_selected", "nothing"])
def test_a_button_that_is_not_there_does_nothing(client, answered, name):
    url = reverse("admin:chat_session_press", args=[answered.pk, name])

    assert client.post(url).status_code == 404
    assert client.get(url.replace(name, "archive")).status_code == 404
    assert Session.objects.live().filter(archived_at=None).exists()


def test_sessions_are_listed_with_what_they_used(client, answered):
    Turn.objects.update(input_tokens=1200, output_tokens=34)

    html = client.get(reverse("admin:chat_session_changelist")).content.decode()

    assert "1,200 / 34" in html
    assert "Papers" in html


@pytest.mark.parametrize(
    ("state", "found"), [("live", 1), ("running", 0), ("archived", 0), ("deleted", 0)]
)
def test_sessions_are_filtered_by_state(client, answered, state, found):
    page = client.get(reverse("admin:chat_session_changelist"), {"state": state})

    assert page.context["cl"].result_count == found


def test_ten_thousand_sessions_are_listed_with_as_few_queries_as_ten(
    client, answered, django_assert_num_queries
):
    url = reverse("admin:chat_session_changelist")
    with CaptureQueriesContext(connection) as before:
        client.get(url)
    owner, project = answered.owner, answered.project
    Session.objects.bulk_create(
        [Session(owner=owner, project=project, title=f"Room {n}") for n in range(10_000)]
    )

    with django_assert_num_queries(len(before)):
        page = client.get(url)

    assert page.context["cl"].result_count == 10_001
    assert len(page.context["cl"].result_list) == 100


def test_an_index_says_which_files_failed_and_syncs_again_at_a_button(client, filled):
    index = filled["Index"]
    Document.objects.update(state="failed", error="It is empty.")

    page = client.get(reverse("admin:chat_index_change", args=[index.pk])).content.decode()
    client.post(reverse("admin:chat_index_press", args=[index.pk, "sync_now"]))

    assert "It is empty." in page
    assert index.syncs.latest("pk").is_active


def test_indexes_are_filtered_by_how_their_latest_sync_ended(client, filled):
    index = filled["Index"]
    url = reverse("admin:chat_index_changelist")

    failed = client.get(url, {"sync": "failed"}).context["cl"].result_count
    index.syncs.create(state="succeeded")
    mended = client.get(url, {"sync": "failed"}).context["cl"].result_count

    assert (failed, mended) == (1, 0)


def test_a_deleted_session_is_gone_for_its_owner(client):
    session = make_session()

    client.post(reverse("admin:chat_session_delete", args=[session.pk]), {"post": "yes"})

    assert not Session.objects.visible_to(Actor(session.owner)).exists()


@pytest.mark.parametrize(
    ("is_superuser", "role"), [(False, Role.VIEWER), (True, Role.MANAGER)], ids=["person", "admin"]
)
def test_whoever_gets_an_account_gets_a_place_in_the_default_project(
    client, django_user_model, is_superuser, role
):
    make = getattr(django_user_model.objects, "create_superuser" if is_superuser else "create_user")

    user = make("ada", password="reading room")

    membership = Membership.objects.get(user=user)
    assert (membership.project.is_default, membership.role) == (True, role)


def test_an_account_made_in_the_admin_has_a_place_to_work(client, django_user_model):
    form = {"username": "ada", "password1": "glass-Bead-7", "password2": "glass-Bead-7"}

    client.post(reverse("admin:auth_user_add"), {**form, "usable_password": "true"})

    assert Membership.objects.get(user__username="ada").role == Role.VIEWER


def numbers_of(client) -> dict[str, str]:
    html = client.get(reverse("admin:index")).content.decode()
    found = re.findall(r"<dt>(.*?)</dt>\s*<dd>\s*<a href=\"(.*?)\">(.*?)</a>", html)
    for _name, url, _value in found:
        assert client.get(url.replace("&amp;", "&")).status_code == 200, url
    return {name: value for name, _url, value in found}


def test_the_first_page_says_how_it_goes_and_leads_to_the_rows(client, answered):
    Turn.objects.update(
        duration_ms=1500, first_text_ms=40, input_tokens=70, asked_by=answered.owner
    )
    Feedback.objects.update(rating="bad")

    numbers = numbers_of(client)

    assert (numbers["Sessions"], numbers["Questions today"]) == ("1", "1")
    assert (numbers["Failing syncs"], numbers["Bad ratings in 7 days"]) == ("1", "1")
    assert numbers["To the first word (median, 95 %)"] == "0.04 s / 0.04 s"
    assert numbers["To the whole answer (median, 95 %)"] == "1.50 s / 1.50 s"


def test_what_was_answered_without_sources_is_counted_and_listed(client, answered):
    other = make_session(indexes=(answered.indexes.get(),))
    told = Turn.objects.create(session=other, seq=1, state="done", citations=2)
    vain = Turn.objects.create(
        session=other, seq=9, state="done", citations=0, index_ids=[answered.indexes.get().pk]
    )
    lists = reverse("admin:chat_turn_changelist")

    numbers = numbers_of(client)
    listed = {
        which: list(client.get(lists, {"sources": which}).context["cl"].result_list)
        for which in ("none", "some")
    }

    assert numbers["Answered without sources in 7 days"] == "1"
    assert listed == {"none": [vain], "some": [told]}
    [index] = client.get(reverse("admin:index")).context["indexes"]
    assert index["vain"] == 1


def test_the_admin_names_its_rows_in_german(client):
    html = client.get(reverse("admin:index"), headers={"accept-language": "de"}).content.decode()

    for name in ("Sitzungen", "Indizes", "Dokumente", "API-Schlüssel", "Anmeldungen"):
        assert f">{name}</a>" in html


def test_the_admin_names_fields_in_the_language_of_its_reader(client):
    index = make_index()
    page = reverse("admin:chat_index_change", args=[index.pk])
    html = client.get(page, headers={"accept-language": "de"}).content.decode()
    rows = [model for model in admin.site._registry if model._meta.app_label == "chat"]
    fields = [field for model in rows for field in model._meta.fields if field.name != "id"]

    for words in ("Beschreibung:", "Suche nach Sinn", "jeden Tag", "Leer lassen für alle"):
        assert words in html
    assert [str(one) for one in fields if not isinstance(one.verbose_name, Promise)] == []


def test_the_first_page_asks_the_database_no_more_often_as_more_is_there(
    client, django_assert_num_queries
):
    client.get(reverse("admin:index"))
    with CaptureQueriesContext(connection) as before:
        client.get(reverse("admin:index"))

    for number in range(3):
        fill(f"More {number}")

    with django_assert_num_queries(len(before)):
        client.get(reverse("admin:index"))
