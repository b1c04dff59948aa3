"""Conversations that go on while the server's processes are killed and their clients drop out.

    chaos = Chaos(server, conversations=8)
    chaos.run(seconds=20)
    assert chaos.faults() == []

Clients ask, read, hang up at random, and resume from the last event they saw. At the end what each
has read is compared with the history that the server keeps.
"""

import json
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx

from tests.server import Server

DROP = 0.02  # of all events are a client's last on that connection
PATIENCE = 90.0  # seconds for everything to come to rest
QUIET = 4.0  # seconds without an event after which nothing is under way


class Conversation(threading.Thread):
    """One client, in one session."""

    def __init__(self, server: Server, session: str, stopping: threading.Event):
        super().__init__(daemon=True)
        self.server, self.session, self.stopping = server, session, stopping
        self.events: list[tuple[int, dict[str, Any]]] = []  # as they came, with their ids
        self.drops = 0

    @property
    def is_open(self) -> bool:
        return bool(self.events) and self.events[-1][1]["type"] != "stop"

    def run(self) -> None:
        while not self.stopping.is_set() or self.is_open:
            message = {"index_ids": [], "prompt": "How do I add documents?"}
            if not self.is_open:
                self.read("POST", "messages/stream", json=message)
            quiet_since = time.monotonic()
            while self.is_open or time.monotonic() - quiet_since < QUIET:
                before = len(self.events)
                self.read("GET", "events", headers={"Last-Event-ID": str(self.last)})
                if len(self.events) > before:
                    quiet_since = time.monotonic()
                if self.events and not self.is_open:
                    break
                time.sleep(0.2)

    @property
    def last(self) -> int:
        return self.events[-1][0] if self.events else 0

    def read(self, method: str, path: str, **request: Any) -> None:
        """Take in what comes, until the stop, a whim, or the end of the line."""
        try:
            with (
                self.server.api() as api,
                api.stream(
                    method, f"/chat/{self.session}/{path}", timeout=QUIET, **request
                ) as response,
            ):
                if response.status_code == 200:
                    self.take(response.iter_lines())
        except httpx.HTTPError:
            pass

    def take(self, lines: Iterator[str]) -> None:
        number = 0
        for line in lines:
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: "):
                self.events.append((number, json.loads(line[6:])))
                if not self.is_open:
                    return
                if random.random() < DROP:
                    self.drops += 1
                    return


class Chaos:
    def __init__(self, server: Server, conversations: int):
        self.server = server
        self.stopping = threading.Event()
        self.kills = 0
        with server.api() as api:
            index = api.get("/indexes").json()["items"][0]["id"]
            sessions = [
                api.post("/chat", json={"index_ids": [index]}).json()["session_id"]
                for _ in range(conversations)
            ]
        self.conversations = [Conversation(server, one, self.stopping) for one in sessions]

    def run(self, seconds: float) -> None:
        for conversation in self.conversations:
            conversation.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(random.uniform(2, 5))
            name = random.choice(["web", "web", "worker"])
            end = random.choice([self.server.kill, self.server.kill, self.server.stop])
            end(name)
            self.kills += 1
            self.server.start(name)
        self.stopping.set()
        deadline = time.monotonic() + PATIENCE
        for conversation in self.conversations:
            conversation.join(max(0, deadline - time.monotonic()))

    def faults(self) -> list[str]:
        """Every way in which a client's words differ from what the server keeps."""
        return [fault for one in self.conversations for fault in self.faults_of(one)]

    def faults_of(self, conversation: Conversation) -> Iterator[str]:
        name = conversation.session
        if conversation.is_alive():
            yield f"{name}: its last turn never came to an end"
        numbers = [number for number, _ in conversation.events]
        if numbers != sorted(set(numbers)):
            yield f"{name}: events came twice or out of order"
        with self.server.api() as api:
            kept = api.get(f"/chat/{name}").json()["events"]
        unsaid = ("text_delta", "thinking_delta", "warning")
        read = [event for _, event in conversation.events if event["type"] not in unsaid]
        if read != kept:
            yield f"{name}: {len(read)} events were read and {len(kept)} are kept"
        kinds = [event["type"] for event in kept]
        if kinds.count("stop") != kinds.count("user_input"):
            yield f"{name}: {kinds.count('user_input')} prompts, {kinds.count('stop')} stops"
        for deltas, whole in answers(event for _, event in conversation.events):
            # A killed process takes the last words with it that were shown and not yet saved.
            if not deltas.startswith(whole):
                yield f"{name}: {deltas[-40:]!r} was shown, {whole[-40:]!r} is kept"


def answers(events: Iterator[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Each part of an answer as it was shown, delta by delta, and as a whole."""
    deltas = ""
    for event in events:
        if event["type"] == "text_delta":
            deltas += event["content"]
        elif event["type"] == "text":
            yield deltas, event["content"]
            deltas = ""
