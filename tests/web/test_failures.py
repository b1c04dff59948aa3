"""What went wrong, as a page of its own and as a sentence on the page that is open."""

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import path, reverse

from chatsite.urls import handler500, urlpatterns  # noqa: F401 - the handler is found by its name

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.test_failures")]

SCRIPT = {"hx-request": "true", "hx-current-url": "http://testserver/chat/ses-1/?write=on"}


def forbid(request):
    raise PermissionDenied


def fail(request):
    raise RuntimeError("on purpose")


urlpatterns = [path("forbidden/", forbid), path("failing/", fail), *urlpatterns]


@pytest.fixture
def careful(client: Client) -> Client:
    """A browser whose forms are looked at, and whose server goes on after an error."""
    careful = Client(enforce_csrf_checks=True, raise_request_exception=False)
    careful.cookies = client.cookies
    return careful


ERRORS = [
    ("get", "/forbidden/", 403, "This is not yours to do"),
    ("post", "/chat/", 403, "This form has grown too old"),
    ("get", "/chat/ses-none/", 404, "There is nothing here"),
    ("get", "/failing/", 500, "Something broke on our side"),
]


@pytest.mark.parametrize(("method", "url", "status", "words"), ERRORS)
def test_an_error_has_a_page_and_is_a_sentence_where_a_page_is_open(
    careful, method, url, status, words
):
    alone = getattr(careful, method)(url)
    within = getattr(careful, method)(url, headers=SCRIPT)

    assert (alone.status_code, within.status_code) == (status, status)
    page, piece = alone.content.decode(), within.content.decode().strip()
    assert words in page and words in piece
    assert '<main class="door__card">' in page
    assert piece.startswith('<hx-partial hx-target="#toast"') and piece.endswith("</hx-partial>")
    assert "<main" not in piece and "<title" not in piece


@pytest.mark.parametrize(
    ("method", "name"), [("get", "home"), ("post", "begin"), ("post", "turns"), ("post", "pin")]
)
def test_who_is_signed_out_is_led_to_sign_in_and_back_to_the_page_they_were_on(
    client, session, method, name
):
    client.logout()
    url = reverse(name, args=[session.pk] if name in ("turns", "pin") else [])

    scripted = getattr(client, method)(url, {"prompt": "Why?"}, headers=SCRIPT)
    plain = getattr(client, method)(url)

    assert scripted.status_code == 401
    assert scripted["HX-Redirect"] == "/login/?next=/chat/ses-1/%3Fwrite%3Don&was=in"
    assert "HX-Trigger" not in scripted
    assert plain.url == f"/login/?next={url}"


def test_nobody_is_led_to_another_site_by_signing_in(client):
    client.logout()

    response = client.get("/", headers=SCRIPT | {"hx-current-url": "https://example.org/"})

    assert response["HX-Redirect"] == "/login/?next=/&was=in"


def test_the_sign_in_says_to_who_was_sent_there_while_writing_that_it_is_kept(client, session):
    client.logout()
    sent = client.post(reverse("turns", args=[session.pk]), {"prompt": "Why?"}, headers=SCRIPT)

    while_writing = client.get(sent["HX-Redirect"]).content.decode()
    at_first = client.get(reverse("login")).content.decode()

    assert "what you wrote is kept" in while_writing
    assert "what you wrote is kept" not in at_first
