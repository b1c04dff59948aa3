"""A page that is open when the process that answers dies."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client
from django.utils import timezone

from chat import conf, runs
from chat.events.leases import row
from chat.events.log import log
from chat.events.types import Stamped, UserInput
from chat.models import Turn
from chat.models.sessions import lease_end
from tests.factories import make_index, make_session, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reader():
    return make_user("reader")


@pytest.fixture
def session(reader):
    """Its process has died while answering, and a question waits."""
    session = make_session(reader, (make_index(),))
    fields = {"lease_owner": "elsewhere/1/gone", "lease_expires_at": lease_end()}
    session.tip = session.turns.create(seq=1, asked_by=reader, **fields)
    session.save()
    first = Stamped(1, session.tip.pk, timezone.now(), UserInput("The first?"))
    row(session.pk, first).save()
    index_ids = list(session.indexes.values_list("pk", flat=True))
    session.queued_prompts.create(asked_by=reader, prompt="The second?", index_ids=index_ids)
    return session


@pytest.fixture
def client(reader) -> AsyncClient:
    signed_in, client = Client(), AsyncClient()
    signed_in.force_login(reader)
    client.cookies.load({name: one.value for name, one in signed_in.cookies.items()})
    return client


async def test_sees_the_end_and_then_the_question_that_waited(session, client, stand_in, settings):
    settings.LLM_BASE_URL, settings.LLM_MODEL = stand_in.url, "stand-in?text=The+second+answer."
    conf.chat_model.cache_clear()
    answer = await client.get(
        f"/chat/{session.pk}/events/?after=1-", headers={"HX-Request": "true"}
    )
    frames = aiter(answer.streaming_content)
    await anext(frames)

    await Turn.objects.aupdate(lease_expires_at="2020-01-01T00:00Z")

    seen = ""
    async with asyncio.timeout(20):
        while "The second answer." not in seen:
            seen += (await anext(frames)).decode()
    assert seen.index("was interrupted") < seen.index("The second answer.")
    await frames.aclose()
    await asyncio.gather(*runs._tasks.values())
    await log.writer.drain()
    conf.chat_model.cache_clear()
    assert await sync_to_async(session.queued_prompts.count)() == 0
