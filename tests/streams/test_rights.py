"""A stream that is open when its reader's rights end does not outlive them."""

from collections.abc import Callable

import httpx
import pytest

from tests.server import Server

REVOKE = "from chat.models import APIKey; APIKey.objects.update(revoked_at='2020-01-01T00:00Z')"
DEACTIVATE = "from django.contrib.auth.models import User; User.objects.update(is_active=False)"
LEAVE = "from chat.models import Membership; Membership.objects.all().delete()"


def revoke(server: Server, session: str) -> None:
    server.manage("shell", "-c", REVOKE)


def deactivate(server: Server, session: str) -> None:
    server.manage("shell", "-c", DEACTIVATE)


def leave(server: Server, session: str) -> None:
    server.manage("shell", "-c", LEAVE)


def delete(server: Server, session: str) -> None:
    with server.api() as api:
        api.delete(f"/chat/{session}")


@pytest.mark.parametrize("end", [revoke, deactivate, leave, delete])
def test_an_open_stream_closes_soon_after_its_reader_s_rights_end(
    start_server, stand_in, end: Callable[[Server, str], None]
):
    server = start_server(LLM_BASE_URL=stand_in.url, LLM_MODEL="stand-in?tokens=4000&rate=20")
    with server.api() as api:
        index = api.get("/indexes").json()["items"][0]["id"]
        session = api.post("/chat", json={"index_ids": [index]}).json()["session_id"]
        message = {"index_ids": [], "prompt": "How do I add documents?"}
        with api.stream("POST", f"/chat/{session}/messages/stream", json=message) as stream:
            lines = stream.iter_lines()
            assert any("t000003" in line for line in lines)

            end(server, session)

            rest = "\n".join(lines)  # it ends; the whole answer would take minutes
    assert "t003999" not in rest


def test_a_follower_of_a_deleted_session_is_sent_away(start_server, stand_in):
    server = start_server(LLM_BASE_URL=stand_in.url, LLM_MODEL="stand-in?tokens=5")
    with server.api() as api:
        index = api.get("/indexes").json()["items"][0]["id"]
        session = api.post("/chat", json={"index_ids": [index]}).json()["session_id"]
        with api.stream("GET", f"/chat/{session}/events", timeout=httpx.Timeout(30)) as stream:
            lines = stream.iter_lines()
            next(lines)

            delete(server, session)

            assert not any("data:" in line for line in lines)
