"""Management commands that people and scripts call."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from chat.models import APIKey, Membership, Role
from chat.models.projects import digest
from tests.factories import make_admin, make_project, make_user

pytestmark = pytest.mark.django_db


def create_api_key(*arguments: str) -> str:
    out = StringIO()
    call_command("create_api_key", *arguments, stdout=out)
    return out.getvalue()


def test_a_key_is_printed_alone_and_opens_the_default_project():
    admin = make_admin()

    printed = create_api_key("nightly")

    key = APIKey.objects.with_digest(digest(printed.removesuffix("\n"))).get()
    assert (key.name, key.user, key.project.is_default) == ("nightly", admin, True)


def test_a_key_can_be_someone_elses_and_for_another_project():
    project = make_project("Archive")
    user = make_user("ada", role=None)
    Membership.objects.create(user=user, project=project, role=Role.EDITOR)

    by_name = create_api_key("one", "--user", "ada", "--project", "Archive")
    by_id = create_api_key("two", "--user", "ada", "--project", str(project.pk))

    for printed in (by_name, by_id):
        key = APIKey.objects.with_digest(digest(printed.strip())).get()
        assert (key.user, key.project) == (user, project)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "There is no superuser yet"),
        (["--user", "nobody"], "No active user is called 'nobody'"),
        (["--user", "ada", "--project", "Archive"], "ada is a member of no project called"),
        (["--user", "bob", "--project", "Twin"], "More than one project is called 'Twin'"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(arguments, sentence):
    make_project("Archive")
    make_user("ada")
    bob = make_user("bob")
    for twin in (make_project("Twin"), make_project("Twin")):
        Membership.objects.create(user=bob, project=twin)

    with pytest.raises(CommandError, match=sentence):
        create_api_key("key", *arguments)
