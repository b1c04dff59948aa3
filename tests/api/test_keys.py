"""Who gets in."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from chat.models import APIKey
from tests.factories import make_admin, make_key

from .conftest import Caller


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer crl-unknown"])
def test_without_a_good_key_nothing_is_looked_at(db: None, header: str):
    client = Client(headers={"Authorization": header} if header else {})

    response = client.post("/api/v1/chat", b"not json", content_type="application/json")

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert list(response.json()) == ["detail"]


@pytest.mark.parametrize("change", ["revoked", "expired", "owner has left", "owner locked out"])
def test_a_key_that_was_taken_back_opens_nothing(db: None, change: str):
    key, secret = make_key()
    past = timezone.now() - timedelta(seconds=1)
    if change == "revoked":
        APIKey.objects.update(revoked_at=past)
    elif change == "expired":
        APIKey.objects.update(expires_at=past)
    elif change == "owner has left":
        key.user.memberships.all().delete()
    else:
        key.user.is_active = False
        key.user.save()

    response = Caller(secret).get("/chat")

    assert response.status_code == 401


def test_a_signed_in_browser_opens_nothing(db: None):
    client = Client()
    client.force_login(make_admin())

    response = client.get("/api/v1/chat")

    assert response.status_code == 401


def test_the_use_of_a_key_is_noted_once_a_minute(db: None, django_assert_num_queries):
    key, secret = make_key()
    caller = Caller(secret)

    caller.get("/chat")
    first = APIKey.objects.get(pk=key.pk).last_used_at
    caller.get("/chat")

    assert first is not None
    assert APIKey.objects.get(pk=key.pk).last_used_at == first
