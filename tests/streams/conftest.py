"""Two web processes of one installation."""

from collections.abc import Iterator

import pytest

from tests.postgres import Postgres
from tests.server import Server
from tests.stand_in.fixture import StandIn


@pytest.fixture(scope="package")
def pair(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: Postgres,
    redis_server: str,
    stand_in_process: StandIn,
) -> Iterator[tuple[Server, Server]]:
    """Two web processes of one installation, each on a port of its own."""
    data = tmp_path_factory.mktemp("pair")
    settings = {
        "DATABASE_URL": postgres.new_database(),
        "REDIS_URL": redis_server,
        "LLM_BASE_URL": stand_in_process.url,
        "LLM_MODEL": "stand-in",
    }
    here, there = Server(data, **settings), Server(data, **settings)
    try:
        here.start("web")
        there.start("web")
        yield here, there
    finally:
        here.stop()
        there.stop()


@pytest.fixture
def session(pair: tuple[Server, Server]) -> str:
    return new_session(pair[0])


def new_session(server: Server) -> str:
    """Bound to the handbook."""
    with server.api() as api:
        index = api.get("/indexes").json()["items"][0]["id"]
        return api.post("/chat", json={"index_ids": [index]}).json()["session_id"]
