"""/healthz and /readyz, as a load balancer and an orchestrator use them."""

import pytest
from django.db.migrations.recorder import MigrationRecorder


async def test_a_process_that_is_up_says_so_without_asking_anyone(async_client):
    answer = await async_client.get("/healthz")

    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_a_ready_installation_says_so(client):
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "reasons": []}


@pytest.mark.django_db
def test_a_missing_migration_is_named_as_the_reason(client):
    MigrationRecorder.Migration.objects.filter(app="chat").delete()

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["Migrations are not applied: run manage.py migrate."]


def redis_layer(url: str) -> dict:
    layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [url]}}
    return {"default": layer}


@pytest.mark.django_db
def test_a_redis_that_answers_is_ready(client, settings, redis_server):
    settings.CHANNEL_LAYERS = redis_layer(redis_server)

    answer = client.get("/readyz")

    assert answer.status_code == 200


@pytest.mark.django_db
def test_a_redis_that_is_down_is_named_as_the_reason(client, settings):
    settings.CHANNEL_LAYERS = redis_layer("redis://127.0.0.1:1/0")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "channel layer does not answer" in answer.json()["reasons"][0]
