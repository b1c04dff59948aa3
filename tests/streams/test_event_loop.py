"""Nothing that a streamed turn does keeps the event loop from its other streams."""

import asyncio
import time
from asyncio import events

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from chat import conf
from chat.events.log import log
from tests.factories import make_index, make_key, make_session, make_user

pytestmark = pytest.mark.django_db(transaction=True)

LONGEST = 0.05  # seconds of CPU in one go; the clock would also count what other processes take


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """Every step of the event loop: its seconds of CPU, and what it was."""
    taken: list[tuple[float, str]] = []
    run = events.Handle._run

    def timed(self: events.Handle) -> None:
        began = time.thread_time()
        run(self)
        taken.append((time.thread_time() - began, repr(self)))

    monkeypatch.setattr(events.Handle, "_run", timed)
    return taken


async def test_a_long_answer_never_holds_the_event_loop(stand_in, settings, steps):
    settings.LLM_BASE_URL, settings.LLM_MODEL = stand_in.url, "stand-in?tokens=3000"
    conf.chat_model.cache_clear()
    user = await sync_to_async(make_user)(role=3)
    _key, secret = await sync_to_async(make_key)(user)
    session = await sync_to_async(make_session)(user, (await sync_to_async(make_index)(),))
    client, headers = AsyncClient(), {"Authorization": f"Bearer {secret}"}
    path = f"/api/v1/chat/{session.pk}/messages/stream"
    body = {"index_ids": [], "prompt": "Read me everything, please."}

    async def ask() -> str:
        answer = await client.post(path, body, "application/json", headers=headers)
        return b"".join([piece async for piece in answer.streaming_content]).decode()

    await ask()  # what is made on first use: imports, the search's memory, the HTTP client
    steps.clear()

    text = await ask()

    assert '"type":"stop","is_error":false' in text and "t002999" in text
    longest, what = max(steps)
    assert longest < LONGEST, what
    print(f"longest step {longest * 1e3:.1f} ms of CPU: {what[:200]}")  # noqa: T201
    await log.writer.drain()
    await asyncio.sleep(0)
    conf.chat_model.cache_clear()
