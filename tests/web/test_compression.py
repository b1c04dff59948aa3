"""What is made smaller on its way to the browser, and what must not wait to be."""

import gzip

import pytest
from django.test import AsyncClient
from django.urls import reverse

ZIPPED = {"accept-encoding": "gzip"}


def test_a_page_is_compressed_for_who_can_read_it(client, session):
    url = reverse("session", args=[session.pk])

    plain, zipped = client.get(url), client.get(url, headers=ZIPPED)

    assert "Content-Encoding" not in plain
    assert zipped["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in zipped["Vary"]
    assert session.title in gzip.decompress(zipped.content).decode()
    assert len(zipped.content) < len(plain.content) / 3


@pytest.mark.django_db(transaction=True)
async def test_a_stream_of_events_is_not_compressed(async_client: AsyncClient, session, reader):
    await async_client.aforce_login(reader)

    response = await async_client.get(reverse("events", args=[session.pk]), headers=ZIPPED)

    assert response.streaming
    assert "Content-Encoding" not in response
    response.close()
