"""Fixtures for every room: a real server, a real browser, a real Redis."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.utils import timezone, translation
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

from tests import backends
from tests.postgres import Postgres, running_server
from tests.redis import Redis
from tests.server import Server

pytest_plugins = ["tests.stand_in.fixture"]

# Files of few and long tests, the longest first, so that no process is left alone with them in the
# end.
LONG = (
    "tests/test_on_postgres.py",
    "tests/streams/test_chaos.py",
    "tests/browser/",
    "tests/conformance/",
    "tests/streams/",
    "tests/test_web_process.py",
    "tests/test_quickstart.py",
)

# How long an example takes says how busy the machine is.
settings.register_profile("busy", deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("busy")

# A page is waited for as long as a click is: who sees what it expects goes on at once.
expect.set_options(timeout=30_000)

ARGUMENTS = ["--no-sandbox", "--disable-gpu"]  # there is none, and pretending is dear


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        found = (place for place, name in enumerate(LONG) if item.nodeid.startswith(name))
        return next(found, len(LONG))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def nobody_s_language() -> Iterator[None]:
    """What a request chose stays in its thread, for whatever is tested there next."""
    yield
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Carrel on the embedded default, shared by all; leave it as you found it."""
    with Server(tmp_path_factory.mktemp("carrel")) as running:
        yield running


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """``start_server(LLM_BASE_URL=...)``: one of the module's own, with these settings."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(
            Server(tmp_path_factory.mktemp("carrel"), **settings)
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium, for the module only: Playwright keeps an event loop running in this thread as
    long as it is open, and neither async tests nor the ORM work beside that."""
    executable = backends.chromium()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, server: Server) -> StorageState:
    """The cookies of the first admin on the shared server."""
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    page.goto("/admin/login/")
    page.fill("[name=username]", server.username)
    page.fill("[name=password]", server.password)
    page.click("[type=submit]")
    page.wait_for_url("**/admin/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(browser: Browser, server: Server, signed_in: StorageState) -> Iterator[Page]:
    """A page of the first admin on the shared server; ``page.goto("/")`` is enough."""
    context = browser.new_context(base_url=server.url, storage_state=signed_in)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL with pgvector; ``postgres.new_database()`` is the URL of an empty one."""
    backends.postgres()
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real and empty Redis."""
    with Redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis.url
