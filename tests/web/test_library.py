"""The library: what editors may do with an index, and what readers see of it."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chat import conf
from chat.models import Index, Role, Sync
from tests.factories import (
    make_directory,
    make_file,
    make_index,
    make_project,
    make_session,
    make_user,
)
from tests.retrieval.conftest import sync
from tests.stand_in.fixture import closed_url

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor(client):
    user = make_user("editor", Role.EDITOR)
    client.force_login(user)
    return user


def test_readers_see_only_indexes_of_their_projects(client, index):
    hidden = make_index("Secret", project=make_project("Elsewhere"))

    html = client.get(reverse("library")).content.decode()

    assert "Rules" in html
    assert "Secret" not in html
    assert client.get(reverse("index", args=[hidden.pk])).status_code == 404


@pytest.mark.parametrize("name", ["upload", "sync", "cancel_sync", "change_index", "delete_index"])
def test_a_viewer_changes_nothing(client, index, name):
    response = client.post(reverse(name, args=[index.pk]), {"name": "Mine"})

    index.refresh_from_db()
    assert response.status_code == 404
    assert (index.name, index.deleted_at) == ("Rules", None)
    assert not index.syncs.exists()


def test_an_editor_makes_an_index_with_a_directory_of_its_own(client, editor):
    project = editor.projects.get()

    client.post(
        reverse("library"), {"project": project.pk, "name": "Garden", "description": "Roses"}
    )

    made = Index.objects.get(name="Garden")
    assert (made.directory.name, made.description) == ("Garden", "Roses")
    assert made.syncs.get().is_active


def test_an_upload_files_and_syncs_and_the_same_name_replaces(client, editor, index):
    url = reverse("upload", args=[index.pk])
    client.post(
        url, {"files": [SimpleUploadedFile("a.md", b"one"), SimpleUploadedFile("b.md", b"b")]}
    )
    first = index.directory.directory_files.get(display_name="a.md")

    client.post(url, {"files": [SimpleUploadedFile("a.md", b"two")]})

    again = index.directory.directory_files.get(display_name="a.md", deleted_at=None)
    assert again.pk == first.pk
    assert again.file.content.read() == b"two"
    assert index.syncs.count() == 1  # the one under way will see both


def test_a_file_that_is_refused_is_named_with_the_reason(client, editor, index, settings):
    settings.MAX_UPLOAD_MB = 0

    page = client.post(
        reverse("upload", args=[index.pk]),
        {"files": [SimpleUploadedFile("big.md", b"big")]},
        follow=True,
    )

    assert "big.md: This file is larger than" in page.content.decode()


def test_a_folders_files_keep_their_paths_as_names(client, editor, index):
    url = reverse("upload", args=[index.pk])
    for path in ("garden/a.md", "house/a.md", "../.././house/a.md"):
        sent = {"path": path, "files": SimpleUploadedFile("a.md", path.encode())}
        assert client.post(url, sent).status_code == 201

    names = index.directory.directory_files.values_list("display_name", flat=True)

    assert sorted(names) == ["garden/a.md", "house/a.md", "rules.md"]


def test_a_script_is_told_by_the_status_that_nobody_is_signed_in(client, editor, index):
    client.logout()

    answer = client.post(reverse("upload", args=[index.pk]), headers={"hx-request": "true"})

    assert answer.status_code == 401


def test_a_script_is_told_in_a_sentence_why_a_file_is_refused(client, editor, index, settings):
    settings.MAX_UPLOAD_MB = 0

    answer = client.post(
        reverse("upload", args=[index.pk]),
        {"path": "big.md", "files": SimpleUploadedFile("big.md", b"big")},
    )

    assert answer.status_code == 413
    assert answer.content.decode().startswith("This file is larger than")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert "big.md" not in client.get(reverse("index", args=[index.pk])).content.decode()


def test_a_refusal_is_said_in_the_readers_language(client, editor, index, settings):
    settings.MAX_UPLOAD_MB = 0

    answer = client.post(
        reverse("upload", args=[index.pk]),
        {"path": "big.md", "files": SimpleUploadedFile("big.md", b"big")},
        headers={"Accept-Language": "de"},
    )

    assert answer.content.decode().startswith("Diese Datei ist größer")


def names_in(client, index, **query: str) -> list[str]:
    page = client.get(reverse("index", args=[index.pk]), query).context["page"]
    return [file.display_name for file in page]


def test_the_files_are_filtered_and_sorted(client, index):
    make_file(index.directory, "new.pdf", "a much longer file than the others " * 20)
    failed = make_file(index.directory, "old.md", "x")
    index.documents.create(directory_file=failed, name="old.md", state="failed", error="Empty.")

    assert names_in(client, index) == ["new.pdf", "old.md", "rules.md"]
    assert names_in(client, index, sort="-name") == ["rules.md", "old.md", "new.pdf"]
    assert names_in(client, index, sort="size") == ["old.md", "rules.md", "new.pdf"]
    assert names_in(client, index, sort="-passages") == ["rules.md", "old.md", "new.pdf"]
    assert names_in(client, index, sort="nonsense", state="none") == [
        "new.pdf",
        "old.md",
        "rules.md",
    ]
    assert names_in(client, index, q="LES") == ["rules.md"]
    assert names_in(client, index, state="failed") == ["old.md"]
    assert names_in(client, index, state="new") == ["new.pdf"]
    assert names_in(client, index, state="ready", q="old") == []


def test_a_sync_says_how_far_it_has_come(client, index):
    began = timezone.now() - timedelta(seconds=60)
    index.syncs.create(
        state=Sync.State.RUNNING,
        started_at=began,
        files_total=4,
        files_done=3,
        pages=12,
        chunks=1400,
    )

    html = client.get(reverse("index", args=[index.pk])).content.decode()

    assert "3 of 4 files" in html
    assert "12 pages" in html
    assert "1,400 passages" in html
    assert re.search(r"about 2\d s left", html)  # 20, but for a machine that has much to do


def test_a_removed_file_leaves_the_list(client, editor, index):
    url = reverse("remove", args=[index.pk, index.documents.get().directory_file_id])

    told = client.post(url, follow=True).content.decode()

    assert "“rules.md” was removed." in told
    assert "rules.md" not in client.get(reverse("index", args=[index.pk])).content.decode()
    assert client.post(url).status_code == 404


def test_a_file_of_another_index_cannot_be_removed_through_this_one(client, editor, index):
    other = make_index("Other")

    url = reverse("remove", args=[other.pk, index.documents.get().directory_file_id])

    assert client.post(url).status_code == 404


def test_progress_errors_and_the_end_of_a_sync_are_shown(client, index):
    url = reverse("index", args=[index.pk])
    sync = index.syncs.create(state=Sync.State.RUNNING, files_total=8, files_done=3)

    running = client.get(url).content.decode()
    Sync.objects.filter(pk=sync.pk).update(state=Sync.State.FAILED, error="The disk is full.")
    failed = client.get(url).content.decode()

    assert "3 of 8 files" in running
    assert ", every 4s" in running
    assert "The disk is full." in failed
    assert ", every 4s" not in failed


def test_a_sync_is_started_and_cancelled(client, editor, index):
    client.post(reverse("sync", args=[index.pk]))
    assert index.syncs.active().count() == 1

    client.post(reverse("cancel_sync", args=[index.pk]))
    client.post(reverse("cancel_sync", args=[index.pk]))

    assert index.syncs.get().state == Sync.State.CANCELLED


def test_settings_are_kept_and_a_blank_name_is_not(client, editor, index):
    url = reverse("change_index", args=[index.pk])

    client.post(url, {"name": "House", "description": "", "sync_frequency": "daily"})
    client.post(url, {"name": " ", "description": "All rules", "sync_frequency": "hourly"})

    index.refresh_from_db()
    assert (index.name, index.description, index.sync_frequency) == ("House", "All rules", "daily")


def test_a_deleted_index_is_gone_and_its_sessions_stay_readable(
    client, editor, index, session, answered, reader
):
    answered()
    client.post(reverse("delete_index", args=[index.pk]), follow=True)
    client.force_login(reader)

    assert "Rules" not in client.get(reverse("library")).content.decode()
    assert "Green" in client.get(reverse("session", args=[session.pk])).content.decode()


def test_more_files_ask_the_database_no_more_often(client, index, django_assert_num_queries):
    url = reverse("index", args=[index.pk])
    client.get(url)
    with CaptureQueriesContext(connection) as before:
        client.get(url)

    for number in range(5):
        make_file(index.directory, f"more{number}.md")

    with django_assert_num_queries(len(before)):
        client.get(url)


def test_an_index_is_narrowed_to_ones_own_groups_and_to_no_others(client, editor, index):
    mine, others = Group.objects.create(name="Gardeners"), Group.objects.create(name="Board")
    editor.groups.add(mine)
    url = reverse("change_index", args=[index.pk])

    page = client.get(reverse("index", args=[index.pk])).content.decode()
    client.post(url, {"name": "Rules", "group": [mine.pk, others.pk, "x"], "store_screenshots": 1})

    index.refresh_from_db()
    assert "Gardeners" in page and "Board" not in page
    assert list(index.groups.all()) == [mine]
    assert index.store_screenshots


def test_a_group_of_others_stays_when_the_settings_are_saved(client, editor, index):
    mine, others = Group.objects.create(name="Gardeners"), Group.objects.create(name="Board")
    editor.groups.add(mine)
    index.groups.set([mine, others])

    client.post(reverse("change_index", args=[index.pk]), {"name": "Rules", "group": [mine.pk]})

    assert set(index.groups.all()) == {mine, others}


def test_who_may_delete_an_index_is_told_what_uses_it(client, editor, index, session):
    make_session(editor, (index,), title="My lamps")

    page = client.get(reverse("index", args=[index.pk])).content.decode()

    assert "2 sessions use it." in page
    assert "My lamps</a>" in page
    assert ">Lamps</a>" not in page


def test_a_document_shows_the_passages_it_was_split_into(client, index):
    url = reverse("document", args=[index.pk, index.documents.get().directory_file_id])
    first, second = (
        f"?start={chunk.start_char}&amp;end={chunk.end_char}#passage"
        for chunk in index.chunks.order_by("ordinal")
    )

    whole = client.get(url).content.decode()
    marked = client.get(url + unescape(second).partition("#")[0]).content.decode()
    split = client.get(url, {"view": "passages"}).content.decode()

    assert f'href="{first}"' in whole and f'href="{second}"' in whole and "2 passages" in whole
    assert 'class="cited"' not in whole
    assert "Passage 2 of 2" in marked and f'href="{first}"' in marked
    cited = marked.split('id="passage"')[1].split("</p>")[0]
    assert "Bring a pencil, not a pen." in cited
    assert f'href="{second}"' in split and "Split into 2 passages" in split
    assert "House rules › Pencils" in split
    assert "Bring a pencil, not a pen.</p>" in split


def marks(html: str) -> list[tuple[str, str]]:
    """The names in the margin of a document, each with the words that it stands beside."""
    named = r'<span class="mark__name">(.*?)</span></a>(.*?)(?=<a class="mark"|$)'
    beside = re.findall(named, html, re.DOTALL)
    return [(name, " ".join(re.sub(r"<[^>]*>", " ", words).split())) for name, words in beside]


@pytest.mark.parametrize("name", ["rules.md", "rules.txt"])
def test_every_passage_of_a_document_is_named_where_it_begins(client, index, name):
    index.documents.update(name=name)
    url = reverse("document", args=[index.pk, index.documents.get().directory_file_id])
    second = index.chunks.last()
    span = {"start": second.start_char, "end": second.end_char}

    html = client.get(url).content.decode()
    of_second = client.get(url, span).content.decode()

    named = marks(html)
    assert [one for one, _words in named] == ["1", "2"]
    assert named[0][1].startswith("The reading room opens at nine.")
    assert named[1][1].startswith("Bring a pencil, not a pen.")
    assert 'aria-current="true"><span class="visually-hidden">Passage 2<' in of_second
    assert 'aria-current="true"><span class="visually-hidden">Passage' not in html


@pytest.fixture
def searchable(transactional_db) -> Index:
    directory = make_directory("Library")
    make_file(directory, "lamps.md", "# Lamps\n\nThe lamps in the reading room are <green>.")
    make_file(directory, "boiler.txt", "The boiler was serviced in March by Ada Novak.")
    make_file(directory, "loans.txt", "Members may borrow five volumes for four weeks.")
    index = make_index("Library", directory, synced=False)
    sync(index)
    return index


def scores_in(html: str) -> list[tuple[str, str]]:
    return re.findall(r"<dt>(\w+)</dt>\s*<dd>\s*([\d.–]+)\s*</dd>", html)


@pytest.mark.django_db(transaction=True)
def test_a_search_that_is_tried_shows_the_scores_of_every_stage(searchable, client):
    url = reverse("try_search", args=[searchable.pk])

    page = client.get(url, {"q": "What colour are the lamps?"}).content.decode()
    piece = client.get(url, {"q": "lamps"}, headers={"hx-request": "true"}).content.decode()
    nothing = client.get(url, {"q": " "}).content.decode()

    first = page.split('<li class="found__passage">')[1]
    assert "lamps.md</a>" in first and "The <mark>lamps</mark> in" in first
    assert "&lt;green&gt;" in first
    scores = dict(scores_in(first))
    assert list(scores) == ["words", "meaning", "together", "ranked"]
    assert all(float(score) > 0 for score in scores.values())
    assert "<html" in page and "<html" not in piece
    assert "found__passage" not in nothing and "fits" not in nothing


@pytest.mark.django_db(transaction=True)
def test_a_passage_that_one_ranking_lacks_has_no_score_of_it(searchable, client):
    url = reverse("try_search", args=[searchable.pk])

    html = client.get(url, {"q": "heating maintenance"}).content.decode()

    assert scores_in(html)[0] == ("words", "–")


@pytest.mark.django_db(transaction=True)
def test_a_search_is_tried_by_those_who_may_use_the_index(searchable, client):
    client.force_login(make_user("stranger", role=None))

    answer = client.get(reverse("try_search", args=[searchable.pk]), {"q": "lamps"})

    assert answer.status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_search_that_cannot_be_tried_says_why(searchable, client, settings):
    settings.EMBEDDING_BASE_URL, settings.EMBEDDING_MODEL = closed_url(), "some-embedder"
    conf.embedder.cache_clear()

    url = reverse("try_search", args=[searchable.pk])
    html = client.get(url, {"q": "lamps"}, headers={"accept-language": "de"}).content.decode()
    conf.embedder.cache_clear()

    assert "Der Embedding-Endpunkt ist nicht zu erreichen" in html


def test_an_index_tells_its_directory_its_project_and_who_may_use_it(client, reader, index):
    mine, others = Group.objects.create(name="Gardeners"), Group.objects.create(name="Board")
    open_to_all = client.get(reverse("library")).content.decode()
    index.groups.set([mine, others])
    reader.groups.add(mine)
    page = reverse("index", args=[index.pk])

    read = client.get(page).content.decode()
    editor = make_user("editor", Role.EDITOR)
    editor.groups.set([mine, others])
    client.force_login(editor)
    edited = client.get(page).content.decode()
    listed = client.get(reverse("library")).content.decode()

    assert "Project “Default”" in open_to_all
    assert "Open to everyone in the project" in open_to_all
    assert "Open to Gardeners and 1 other group" in " ".join(read.split())
    assert "Board" not in read and "Directory “" not in read
    assert "Directory “Rules”" in edited and "Open to Board, Gardeners" in " ".join(edited.split())
    assert "Directory “Rules”" in listed


def test_more_indexes_ask_the_database_no_more_often(client, editor, django_assert_num_queries):
    make_index("One").syncs.create()
    make_directory("Loose")
    client.get(reverse("library"))
    with CaptureQueriesContext(connection) as before:
        client.get(reverse("library"))

    for number in range(5):
        index = make_index(f"More {number}")
        index.groups.set([Group.objects.create(name=f"Group {number}")])
        index.syncs.create(state=Sync.State.FAILED, error="No.")
        make_directory(f"Loose {number}")

    with django_assert_num_queries(len(before)):
        client.get(reverse("library"))


def test_an_editor_makes_an_index_of_a_directory_that_is_there(client, editor):
    directory = make_directory("Letters")
    make_file(directory, "a.md")
    listed = client.get(reverse("library")).content.decode()

    client.post(reverse("library"), {"directory": directory.pk})

    made = Index.objects.get()
    assert (made.name, made.directory) == ("Letters", directory)
    assert made.syncs.get().is_active
    loose = listed.split("Directories without an index")[1]
    assert "Letters" in loose and "1 file<" in loose
    assert "without an index" not in client.get(reverse("library")).content.decode()


def test_directories_of_others_are_neither_listed_nor_taken(client, editor):
    elsewhere = make_directory("Secret", make_project("Elsewhere"))
    gone = make_directory("Gone")
    gone.deleted_at = timezone.now()
    gone.save()

    listed = client.get(reverse("library")).content.decode()

    assert "Secret" not in listed and "Gone" not in listed
    for directory in (elsewhere, gone):
        sent = {"directory": directory.pk, "name": "Mine"}
        assert client.post(reverse("library"), sent).status_code == 404
    assert not Index.objects.exists()


def test_a_reader_is_shown_no_directories(client, reader):
    make_directory("Letters")

    assert "Letters" not in client.get(reverse("library")).content.decode()


@pytest.fixture
def failed(index):
    """A file of the index that could not be read."""
    file = make_file(index.directory, "torn.pdf", "x")
    index.documents.create(
        directory_file=file, name=file.display_name, state="failed", error="It is torn."
    )
    return file


def test_a_file_that_could_not_be_read_says_why_and_is_tried_again(client, editor, index, failed):
    page = reverse("index", args=[index.pk])
    url = reverse("retry", args=[index.pk, failed.pk])
    offered = client.get(page).content.decode()

    told = client.post(url, follow=True).content.decode()

    assert "It is torn." in offered and f'action="{url}"' in offered
    assert "“torn.pdf” is being read again." in told
    assert f'action="{url}"' not in told  # its sync is under way
    assert index.syncs.get().is_active


def test_a_file_is_replaced_by_one_of_another_name_and_keeps_its_own(client, editor, index):
    file = index.directory.directory_files.get()
    url = reverse("replace", args=[index.pk, file.pk])
    offered = client.get(reverse("index", args=[index.pk])).content.decode()
    asked = client.get(url).content.decode()

    sent = {"file": SimpleUploadedFile("rules-2027.MD", b"# New rules")}
    told = client.post(url, sent, follow=True).content.decode()

    again = index.directory.directory_files.get()
    assert f'href="{url}"' in offered
    assert 'accept=".md"' in asked and 'enctype="multipart/form-data"' in asked
    assert "“rules.md” was replaced." in told
    assert (again.pk, again.display_name) == (file.pk, "rules.md")
    assert again.file.content.read() == b"# New rules"
    assert index.syncs.get().is_active


def test_a_file_is_not_replaced_by_one_of_another_kind_nor_by_none(client, editor, index):
    file = index.directory.directory_files.get()
    url = reverse("replace", args=[index.pk, file.pk])

    other = client.post(url, {"file": SimpleUploadedFile("rules.pdf", b"%PDF")}, follow=True)
    none = client.post(url, follow=True)

    assert "“rules.pdf” is of another kind than “rules.md”" in other.content.decode()
    assert "Choose the file" in none.content.decode()
    assert index.directory.directory_files.get().file == file.file
    assert not index.syncs.exists()


@pytest.mark.parametrize("name", ["replace", "retry", "remove"])
def test_a_viewer_changes_no_file(client, index, name):
    url = reverse(name, args=[index.pk, index.directory.directory_files.get().pk])

    response = client.post(url, {"file": SimpleUploadedFile("rules.md", b"Mine")})

    assert response.status_code == 404
    assert index.directory.directory_files.get().file.content.read() != b"Mine"
    assert not index.syncs.exists()


def test_of_all_the_syncs_there_were_only_the_latest_is_read(client, index):
    last = [index.syncs.create(state=Sync.State.SUCCEEDED) for _ in range(9)][-1]
    read: list[Sync] = []

    def note(sender: type[Sync], instance: Sync, **_: object) -> None:
        read.append(instance)

    post_init.connect(note, Sync)
    shown = client.get(reverse("index", args=[index.pk])).context["sync"]
    post_init.disconnect(note, Sync)

    assert shown == last
    assert set(read) == {last}


def test_a_project_that_is_none_and_a_name_that_is_none_are_said(client, editor):
    project = editor.projects.get().pk

    nowhere = client.post(reverse("library"), {"project": "garbage", "name": "Garden"})
    nameless = client.post(reverse("library"), {"project": project, "name": "  "})

    assert nowhere.status_code == 404
    assert "An index needs a name." in nameless.content.decode()
    assert not Index.objects.exists()


def test_a_character_that_is_in_no_text_is_refused_before_it_meets_the_database(
    client, editor, index, session
):
    place = reverse("index", args=[index.pk])
    form = {"name": "Gard\0en"}

    asked = [client.get(reverse("search"), {"q": "\0"}), client.get(place, {"q": "a\0"})]
    sent = client.post(reverse("change_index", args=[index.pk]), form)
    piece = client.post(
        reverse("turns", args=[session.pk]), {"prompt": "a\0"}, headers={"hx-request": "true"}
    )
    paths = [client.get(f"/chat/a%00{rest}") for rest in ("/", "/details/")]

    assert [one.status_code for one in [*asked, sent, piece]] == [400] * 4
    assert "characters that are not text" in asked[0].content.decode()
    assert '<hx-partial hx-target="#toast"' in piece.content.decode()
    assert [one.status_code for one in paths] == [404, 404]
    index.refresh_from_db()
    assert index.name == "Rules"
