"""A session over one small index, answered by the stand-in, all in this process."""

from collections.abc import Awaitable, Callable

import pytest
from asgiref.sync import sync_to_async

from chat import conf
from chat.actions.turns import start_turn
from chat.events.log import log
from chat.events.types import Stamped, Stop
from chat.models import Actor, Document, Index, Session
from tests.factories import make_file, make_index, make_session
from tests.stand_in.fixture import StandIn

TEXT = "The reading room opens at nine. Its lamps are green. Bring a pencil, not a pen."


@pytest.fixture
def index(db) -> Index:
    """Holds one document with one chunk: ``TEXT``."""
    index = make_index("Rules")
    filed = make_file(index.directory, "rules.md", TEXT)
    document = Document.objects.create(
        index=index, directory_file=filed, name="rules.md", text=TEXT, state="ready", chunk_count=1
    )
    chunk = document.chunks.create(
        index=index, ordinal=0, text=TEXT, start_char=0, end_char=len(TEXT), token_count=20
    )
    conf.search_backend().write([chunk.pk])
    return index


@pytest.fixture
def session(index: Index) -> Session:
    return make_session(indexes=(index,))


@pytest.fixture
def model(stand_in: StandIn, settings) -> StandIn:
    """The stand-in, as the configured model."""
    settings.LLM_BASE_URL, settings.LLM_MODEL = stand_in.url, "small"
    conf.chat_model.cache_clear()
    yield stand_in
    conf.chat_model.cache_clear()


Ask = Callable[..., Awaitable[list[Stamped]]]


@pytest.fixture
def ask(session: Session) -> Ask:
    """``await ask("Why?")``: the events of the turn, to its stop."""

    async def ask(prompt: str, **options) -> list[Stamped]:
        actor = Actor(await sync_to_async(lambda: session.owner)())
        turn = await start_turn(actor, session.pk, prompt, **options)
        return await to_stop(session, turn.seq - 1)

    return ask


async def to_stop(session: Session, after: int) -> list[Stamped]:
    seen: list[Stamped] = []
    async for batch in log.follow(session.pk, after):
        seen += batch
        if seen and isinstance(seen[-1].event, Stop):
            break
    await log.writer.drain()
    return seen
