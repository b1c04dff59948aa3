"""Who may see what: the querysets every door starts from."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import (
    Actor,
    APIKey,
    Directory,
    DirectoryFile,
    File,
    Index,
    Membership,
    Project,
    Role,
    Session,
)
from chat.models.projects import digest
from tests.factories import (
    make_actor,
    make_directory,
    make_file,
    make_index,
    make_key,
    make_project,
    make_session,
    make_user,
)

pytestmark = pytest.mark.django_db


def test_there_is_one_default_project_however_often_it_is_asked_for():
    assert Project.default() == Project.default()
    with pytest.raises(IntegrityError), transaction.atomic():
        Project.objects.create(name="Another", is_default=True)


def test_a_stranger_sees_nothing_of_a_project():
    directory = make_directory()
    make_file(directory)
    make_session(indexes=(make_index(directory=directory),))
    stranger = make_actor(role=Role.MANAGER, project=make_project())

    for rows in (Directory, DirectoryFile, File, Index, Session):
        assert not rows.objects.visible_to(stranger).exists(), rows
        assert not rows.objects.editable_by(stranger).exists(), rows


def test_a_viewer_asks_indexes_but_does_not_see_the_originals():
    directory = make_directory()
    make_file(directory)
    index = make_index(directory=directory)
    viewer = make_actor(role=Role.VIEWER)

    assert list(Index.objects.visible_to(viewer)) == [index]
    assert not Index.objects.editable_by(viewer).exists()
    for rows in (Directory, DirectoryFile, File):
        assert not rows.objects.visible_to(viewer).exists(), rows


def test_an_editor_sees_and_changes_documents_and_indexes():
    directory = make_directory()
    entry = make_file(directory)
    index = make_index(directory=directory)
    editor = make_actor(role=Role.EDITOR)

    assert list(Index.objects.editable_by(editor)) == [index]
    assert list(Directory.objects.editable_by(editor)) == [directory]
    assert list(DirectoryFile.objects.editable_by(editor)) == [entry]
    assert list(File.objects.editable_by(editor)) == [entry.file]


def test_an_index_narrowed_to_a_group_is_there_for_its_members_only():
    index = make_index()
    group = Group.objects.create(name="Lawyers")
    index.groups.add(group)
    member, manager = make_actor(role=Role.VIEWER), make_actor(role=Role.MANAGER)
    member.person.groups.add(group)

    assert list(Index.objects.visible_to(member)) == [index]
    assert not Index.objects.visible_to(manager).exists()


def test_what_was_deleted_is_not_there_for_anyone():
    index = make_index(deleted_at=timezone.now())
    session = make_session(deleted_at=timezone.now())
    manager = make_actor(role=Role.MANAGER)

    assert not Index.objects.visible_to(manager).filter(pk=index.pk).exists()
    assert not Session.objects.visible_to(Actor(session.owner)).exists()


def test_an_index_that_never_synced_cannot_be_asked():
    synced, new = make_index(), make_index(synced=False)

    assert synced in Index.objects.queryable()
    assert new not in Index.objects.queryable()


@pytest.mark.parametrize(
    ("sharing", "may_read", "may_ask"),
    [("private", False, False), ("read_only", True, False), ("query", True, True)],
)
def test_sharing_opens_a_session_to_the_project(sharing, may_read, may_ask):
    session = make_session(sharing=sharing)
    colleague = make_actor(role=Role.VIEWER)

    assert Session.objects.visible_to(colleague).contains(session) is may_read
    assert Session.objects.askable_by(colleague).contains(session) is may_ask
    assert not Session.objects.editable_by(colleague).contains(session)


def test_an_owner_who_left_the_project_has_lost_the_session_too():
    session = make_session()

    Membership.objects.filter(user=session.owner).delete()

    assert not Session.objects.visible_to(Actor(session.owner)).exists()


def test_a_key_opens_its_own_project_and_no_other():
    project, other = make_project(), make_project()
    user = make_user(role=Role.MANAGER, project=project)
    Membership.objects.create(user=user, project=other, role=Role.MANAGER)
    inside, outside = make_index(project=project), make_index(project=other)
    key, _ = make_key(user, project)

    assert list(Index.objects.visible_to(Actor(user, key))) == [inside]
    assert set(Index.objects.visible_to(Actor(user))) == {inside, outside}
    assert list(Project.objects.visible_to(Actor(user, key))) == [project]


def test_only_the_digest_of_a_secret_is_kept():
    key, secret = make_key()

    stored = APIKey.objects.filter(pk=key.pk).values().get()

    assert secret not in map(str, stored.values())
    assert APIKey.objects.with_digest(digest(secret)).get() == key


@pytest.mark.parametrize("how", ["revoked", "expired", "of someone who left"])
def test_a_key_that_ended_opens_nothing(how):
    key, secret = make_key()
    match how:
        case "revoked":
            key.revoked_at = timezone.now()
        case "expired":
            key.expires_at = timezone.now() - timedelta(seconds=1)
        case "of someone who left":
            key.user.is_active = False
            key.user.save()
    key.save()

    assert not APIKey.objects.with_digest(digest(secret)).exists()
