"""A page's stream that is open when its reader's rights end does not outlive them."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.test import AsyncClient, Client

from chat import conf, runs
from chat.actions.sessions import delete_session, share_session
from chat.actions.turns import cancel_turn
from chat.events.log import log
from chat.models import Membership, Session
from tests.factories import make_index, make_session, make_user

pytestmark = pytest.mark.django_db(transaction=True)

SOON = 10.0  # seconds; unasked, a stream in which nothing happens would look after fifteen


@pytest.fixture
def shared() -> Session:
    session = make_session(make_user("owner"), (make_index(),))
    share_session(session, "query")
    return session


@pytest.fixture
def reader(shared: Session) -> AbstractUser:
    return make_user("reader")


@pytest.fixture
def cookies(reader: AbstractUser) -> dict[str, str]:
    client = Client()
    client.force_login(reader)
    return {name: morsel.value for name, morsel in client.cookies.items()}


def browser(cookies: dict[str, str]) -> AsyncClient:
    client = AsyncClient()
    client.cookies.load(cookies)
    return client


async def open_page(session: Session, cookies: dict[str, str]) -> AsyncIterator[bytes]:
    answer = await browser(cookies).get(
        f"/chat/{session.pk}/events/", headers={"HX-Request": "true"}
    )
    return aiter(answer.streaming_content)


async def rest_of(frames: AsyncIterator[bytes], seconds: float = SOON) -> str:
    async with asyncio.timeout(seconds):
        return b"".join([frame async for frame in frames]).decode()


def sign_out(reader: AbstractUser, session: Session, cookies: dict[str, str]) -> None:
    client = Client()
    client.cookies.load(cookies)
    client.post("/logout/")


def deactivate(reader: AbstractUser, session: Session, cookies: dict[str, str]) -> None:
    reader.is_active = False
    reader.save()


def change_password(reader: AbstractUser, session: Session, cookies: dict[str, str]) -> None:
    reader.set_password("another word")
    reader.save()


def end_sharing(reader: AbstractUser, session: Session, cookies: dict[str, str]) -> None:
    share_session(session, "private")


def end_membership(reader: AbstractUser, session: Session, cookies: dict[str, str]) -> None:
    Membership.objects.get(user=reader).delete()


def delete(reader: AbstractUser, session: Session, cookies: dict[str, str]) -> None:
    delete_session(session)


ENDS = [sign_out, deactivate, change_password, end_sharing, end_membership, delete]


@pytest.mark.parametrize("end", ENDS)
async def test_a_quiet_page_is_sent_away_at_once(
    end: Callable[..., None], shared: Session, reader: AbstractUser, cookies: dict[str, str]
):
    frames = await open_page(shared, cookies)
    await anext(frames)
    following = asyncio.ensure_future(rest_of(frames))
    await asyncio.sleep(0.2)  # it waits by now

    await sync_to_async(end)(reader, shared, cookies)

    assert (await following).rstrip().endswith("event: close\ndata: gone")


async def test_another_s_sign_out_ends_nothing(
    shared: Session, reader: AbstractUser, cookies: dict[str, str]
):
    frames = await open_page(shared, cookies)
    await anext(frames)

    await sync_to_async(deactivate)(await sync_to_async(make_user)(), shared, {})
    await shared.queued_prompts.acreate(asked_by=reader, prompt="Is anyone there?")
    await log.announce(shared.pk)

    async with asyncio.timeout(SOON):
        while b"Is anyone there?" not in await anext(frames):
            pass


async def test_rights_that_end_unannounced_are_missed_while_an_answer_is_written(
    stand_in, settings, shared: Session, reader: AbstractUser, cookies: dict[str, str]
):
    settings.LLM_BASE_URL, settings.LLM_MODEL = stand_in.url, "stand-in?tokens=4000&rate=20"
    conf.chat_model.cache_clear()
    await browser(cookies).post(f"/chat/{shared.pk}/turns/", {"prompt": "Is anyone there?"})
    frames = await open_page(shared, cookies)

    await get_user_model().objects.filter(pk=reader.pk).aupdate(is_active=False)

    assert (await rest_of(frames, 15)).rstrip().endswith("event: close\ndata: gone")
    await cancel_turn(shared)
    await asyncio.gather(*runs._tasks.values())
    await log.writer.drain()
    conf.chat_model.cache_clear()
