"""Whatever is killed and whoever hangs up: every word once, in order, and every turn ended."""

import os
import random
from pathlib import Path

from tests import backends
from tests.postgres import running_server
from tests.redis import Redis
from tests.server import Server

from .chaos import Chaos

SECONDS = float(os.environ.get("CARREL_CHAOS_SECONDS", "45"))
SEED = int(os.environ.get("CARREL_CHAOS_SEED", random.randrange(10_000)))
CONVERSATIONS = 50


def test_conversations_stay_whole_whatever_falls(tmp_path: Path, stand_in):
    backends.postgres()
    with running_server() as postgres, Redis(tmp_path) as redis:
        settings = {
            "DATABASE_URL": postgres.new_database(),
            "REDIS_URL": redis.url,
            "LLM_BASE_URL": stand_in.url,
            "LLM_MODEL": "stand-in?tokens=40&rate=10",
        }
        here, there = Server(tmp_path, **settings), Server(tmp_path, **settings)
        try:
            here.start()
            there.start("web")
            database = settings["DATABASE_URL"]
            chaos = Chaos([here, there], postgres, redis, database, CONVERSATIONS, SEED)
            chaos.run(SECONDS)
            faults = chaos.faults()
        finally:
            here.stop()
            there.stop()

    told = f"CARREL_CHAOS_SEED={SEED}, fallen: {chaos.fallen}"
    assert not faults, "\n".join([told, *faults])
    assert chaos.fallen and all(one.events for one in chaos.conversations), told
