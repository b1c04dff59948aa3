"""Whatever is killed and whoever hangs up: every word once, in order, and every turn ended."""

import os

from .chaos import Chaos

SECONDS = float(os.environ.get("CARREL_CHAOS_SECONDS", "20"))


def test_conversations_stay_whole_while_processes_are_killed(start_server, stand_in):
    server = start_server(LLM_BASE_URL=stand_in.url, LLM_MODEL="stand-in?tokens=60&rate=30")
    chaos = Chaos(server, conversations=6)

    chaos.run(SECONDS)

    assert chaos.faults() == []
    assert chaos.kills and all(one.events for one in chaos.conversations)
