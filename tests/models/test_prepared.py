"""Prepared queries: what the queryset gives, whoever asks, at whatever time."""

from datetime import timedelta

import pytest
from django.db import connection, models
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.api.auth import actor_of
from chat.models import Actor, APIKey, Index, Project, Session, Turn
from chat.models.prepared import Prepared, insert, made, update
from tests.factories import make_actor, make_index, make_key, make_project, make_session, make_user

pytestmark = pytest.mark.django_db

visible = Prepared(
    lambda actor, ids: Index.objects.visible_to(actor).filter(pk__in=ids), ids=models.CharField()
)


def test_each_asker_gets_what_their_queryset_gives():
    here, there = make_project("Here"), make_project("There")
    indexes = [make_index(project=here), make_index(project=there), make_index(project=here)]
    ids = [one.pk for one in indexes]
    user = make_user(project=here, role=2)
    there.memberships.create(user=user, role=2)
    stranger = make_actor(project=make_project("Elsewhere"))
    askers = [Actor(user), Actor(user, make_key(user, there)[0]), stranger]

    for actor in [*askers, *askers]:  # the second time with the SQL of the first
        found = [made(Index, row) for row in visible.rows(actor=actor, ids=ids)]
        assert {one.pk for one in found} == set(
            Index.objects.visible_to(actor).values_list("pk", flat=True)
        )
        for one in found:
            assert one.__dict__.keys() == Index.objects.get(pk=one.pk).__dict__.keys()
            assert one.created_at == Index.objects.get(pk=one.pk).created_at


def test_lists_may_have_any_length():
    indexes = [make_index() for _ in range(4)]
    actor = make_actor(project=indexes[0].project)

    for count in (1, 4, 2, 4):
        ids = [one.pk for one in indexes[:count]]
        expected = Index.objects.visible_to(actor).filter(pk__in=ids).count()
        assert len(visible.rows(actor=actor, ids=ids)) == expected > 0


def test_the_sql_is_made_once():
    session = make_session()
    built = []

    def build(pk):
        built.append(pk)
        return Session.objects.filter(pk=pk).values_list("project", "created_at")

    rows = Prepared(build, pk=models.CharField())

    for _ in range(3):
        assert rows.first(pk=session.pk) == [session.project_id, session.created_at]
    assert rows.first(pk="ses-unknown") is None
    assert len(built) == 1


def test_a_key_that_expires_later_is_refused_then():
    key, secret = make_key()
    assert actor_of(secret)

    APIKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + timedelta(hours=1))
    assert actor_of(secret)

    APIKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert actor_of(secret) is None


def test_the_clock_is_asked_at_each_call():
    project = Project.objects.filter(pk=make_project("Now").pk)
    project.update(created_at=timezone.now() - timedelta(minutes=1))  # SQLite's clock is coarse
    later = Prepared(
        lambda name: Project.objects.filter(name=name, created_at__lt=Now()).values_list("pk"),
        name=models.CharField(),
    )
    assert later.rows(name="Now")

    project.update(created_at=timezone.now() + timedelta(minutes=1))
    assert not later.rows(name="Now")


def test_a_key_is_found_with_its_user_and_project_in_one_query():
    key, secret = make_key()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        actor = actor_of(secret)
        assert actor and actor.key
        found = (actor.key, actor.person, actor.key.user, actor.key.project)
    assert found == (key, key.user, key.user, key.project)
    assert len([one for one in queries if one["sql"].startswith("SELECT")]) == 1


def test_a_row_is_written_as_save_writes_it():
    session = make_session()
    fields = {"asked_by": session.owner, "index_ids": ["idx-ä"], "lease_expires_at": timezone.now()}
    saved = Turn.objects.create(session=session, seq=1, state="done", **fields)
    inserted = Turn(session=session, seq=2, state="done", parent=saved, **fields)
    insert(inserted)

    found = Turn.objects.get(pk=inserted.pk)
    for field in Turn._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(inserted, field.attname), field.name
    assert not inserted._state.adding
    assert found.created_at > saved.created_at

    session.tip, session.title = inserted, "Ä “title”"
    session.sharing = "query"
    update(session, "tip", "title")
    found = Session.objects.get(pk=session.pk)
    assert (found.tip, found.title, found.sharing) == (inserted, "Ä “title”", "private")
