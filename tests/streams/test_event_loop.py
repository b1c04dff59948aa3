"""Nothing that a streamed turn does keeps the event loop from its other streams."""

import asyncio
import time
from asyncio import events
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractUser
from django.test import AsyncClient, Client

from chat import conf
from chat.events.log import log
from tests.factories import make_index, make_key, make_session, make_user

pytestmark = pytest.mark.django_db(transaction=True)

BUSY = 0.01  # seconds of CPU in one go
BLOCKED = 0.05  # seconds in one go, waiting for files, locks and other threads included
ANSWERS = 10  # until one holds it for less: a thread that has the interpreter may be kept waiting


Step = tuple[float, str]  # of the event loop: its seconds, and what it was


@dataclass(slots=True)
class Longest:
    busy: Step = (0.0, "")
    blocked: Step = (0.0, "")

    def was_short(self) -> bool:
        return self.busy[0] < BUSY and self.blocked[0] < BLOCKED


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> Longest:
    found, run = Longest(), events.Handle._run

    def timed(self: events.Handle) -> None:
        busy, held = time.thread_time(), time.monotonic() - waited_for_a_core()
        run(self)
        busy, held = (
            time.thread_time() - busy,
            time.monotonic() - waited_for_a_core() - held,
        )
        if busy > found.busy[0]:
            found.busy = (busy, repr(self))
        if held > found.blocked[0]:
            found.blocked = (held, repr(self))

    monkeypatch.setattr(events.Handle, "_run", timed)
    return found


def waited_for_a_core() -> float:
    """Seconds that this thread could have gone on in and was not let to: no fault of its own."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:  # not Linux
        return time.monotonic() - time.thread_time()


@pytest.fixture
async def model(stand_in, settings):
    settings.LLM_BASE_URL, settings.LLM_MODEL = stand_in.url, "stand-in"
    conf.chat_model.cache_clear()
    yield stand_in
    await log.writer.drain()
    await asyncio.sleep(0)
    conf.chat_model.cache_clear()


async def test_a_long_answer_never_holds_the_event_loop(model, settings, longest):
    settings.LLM_MODEL = "stand-in?tokens=3000"
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
    for _ in range(ANSWERS):
        longest.busy = longest.blocked = (0.0, "")
        text = await ask()
        assert '"type":"stop","is_error":false' in text and "t002999" in text
        if longest.was_short():
            break

    assert longest.was_short(), longest


CODE = "\n".join(f"total_{n} = sum(row[{n}] for row in table if row) + {n}" for n in range(300))
WRITTEN = "\n\n".join(
    [
        f"## Part {n}\n\n{'A word of *prose* and [one link](https://example.org). ' * 40}\n\n"
        f"$$\\sum_{{i=1}}^{{n}} \\frac{{a_i}}{{b_i}}$$\n\n```python\n{CODE}\n```"
        for n in range(3)
    ]
)


async def test_a_page_that_is_read_never_holds_the_event_loop(model, longest):
    model.say(text=WRITTEN, piece=40, rate=2000, again=True)
    reader = await sync_to_async(make_user)()
    index = await sync_to_async(make_index)()
    client, cookies = AsyncClient(), await sync_to_async(cookies_of)(reader)
    client.cookies.load(cookies)

    async def ask() -> str:
        session, html = await sync_to_async(make_session)(reader, (index,)), ""
        page = f"/chat/{session.pk}/events/"
        answer = await client.get(page, headers={"HX-Request": "true"})
        await client.post(f"/chat/{session.pk}/turns/", {"prompt": "Read me everything, please."})
        async with aclosing(aiter(answer.streaming_content)) as pieces:
            while 'data-state="done"' not in html:
                html += (await anext(pieces)).decode()
        return html

    await ask()
    for _ in range(ANSWERS):
        longest.busy = longest.blocked = (0.0, "")
        assert "total_299" in await ask()
        if longest.was_short():
            break

    assert longest.was_short(), longest


def cookies_of(reader: AbstractUser) -> dict[str, str]:
    client = Client()
    client.force_login(reader)
    return {name: morsel.value for name, morsel in client.cookies.items()}
