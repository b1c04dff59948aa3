"""Conversations that go on while everything under them is killed, restarted or hung up on.

    chaos = Chaos(servers, postgres, redis, database, conversations=50, seed=7)
    chaos.run(seconds=60)
    assert chaos.faults() == []

Two web processes, a worker, PostgreSQL and Redis fall at random. Clients ask, read, hang up, and
resume from the last event they saw, on whichever process; one more keeps adding documents. At the
end every word that each client has read is compared with the rows of the database.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import httpx
import psycopg
from psycopg.rows import namedtuple_row

from tests.postgres import Postgres
from tests.redis import Redis
from tests.server import Server

DROP = 0.02  # of all events are a client's last on that connection
PAUSE = (1.0, 3.0)  # seconds between one fall and the next
PATIENCE = 90.0  # seconds for everything to come to rest
QUIET = 3.0  # seconds without an event after which nothing is under way
CLAIM = 15.0  # seconds that a question may take to be accepted: nobody hangs up on it before
QUESTION = "How do I add documents?"
LOST = ("text_delta", "tool_call", "tool_result")  # what a killed process had shown and not saved


class Conversation:
    """One client, in one session; any web process will do."""

    def __init__(self, api: "API", session: str, chance: random.Random):
        self.api, self.session, self.chance = api, session, chance
        self.events: list[tuple[int, dict[str, Any]]] = []  # as they came, with their ids
        self.drops = 0
        self.is_at_rest = False

    @property
    def is_open(self) -> bool:
        return bool(self.events) and self.events[-1][1]["type"] != "stop"

    async def go_on(self, until: float) -> None:
        while time.monotonic() < until or self.is_open:
            if not self.is_open:
                message = {"index_ids": [], "prompt": QUESTION}
                await self.read("POST", "messages/stream", json=message)
            await self.catch_up()
        self.is_at_rest = True

    async def catch_up(self) -> None:
        """Resume until the answer has ended; or, where none had begun, until it is clear so."""
        while True:
            last = self.events[-1][0] if self.events else 0
            before = len(self.events)
            silent = await self.read("GET", "events", headers={"Last-Event-ID": str(last)})
            if not self.is_open and (len(self.events) > before or (silent and await self.is_all())):
                return
            await asyncio.sleep(0.2)

    async def is_all(self) -> bool:
        """Whether no question is kept but those it has read of: on a busy machine silence alone may
        be slowness."""
        try:
            history = await self.api.get(f"/chat/{self.session}")
        except httpx.HTTPError:
            return False
        kinds = [event["type"] for event in history["events"]]
        mine = [event["type"] for _, event in self.events]
        return kinds.count("user_input") == mine.count("user_input")

    async def read(self, method: str, path: str, **request: Any) -> bool:
        """Take in what comes, until the stop, a whim, or the end of the line. True if that was
        ``QUIET`` seconds of silence on a line that stood."""
        url = f"{self.api.any_url()}/chat/{self.session}/{path}"
        stood = False
        try:
            timeout = httpx.Timeout(CLAIM, read=QUIET if method == "GET" else CLAIM)
            async with self.api.client.stream(method, url, timeout=timeout, **request) as response:
                if stood := response.status_code == 200:
                    await self.take(response.aiter_lines())
        except httpx.ReadTimeout:
            return stood
        except httpx.HTTPError:
            pass
        return False

    async def take(self, lines: AsyncIterator[str]) -> None:
        number = 0
        async for line in lines:
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: "):
                self.events.append((number, json.loads(line[6:])))
                if not self.is_open:
                    return
                if self.chance.random() < DROP:
                    self.drops += 1
                    return


class Librarian:
    """Adds one document after another, and has the index follow."""

    def __init__(self, api: "API", directory: str, index: str):
        self.api, self.directory, self.index = api, directory, index

    async def go_on(self, until: float) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            paper = {"upload_file": (f"paper-{number}.md", f"Paper number {number}.".encode())}
            await self.post(f"/beta/directories/{self.directory}/files/upload", files=paper)
            await self.post(f"/indexes/{self.index}/sync", json={})
            await asyncio.sleep(2)

    async def post(self, path: str, **request: Any) -> bool:
        try:
            url = self.api.any_url() + path
            return (await self.api.client.post(url, timeout=5, **request)).is_success
        except httpx.HTTPError:
            return False

    async def is_content(self) -> bool:
        """Whether one more sync finds all that was added."""
        while not await self.post(f"/indexes/{self.index}/sync", json={}):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        status = "syncing"
        while status not in ("ready", "failed"):
            await asyncio.sleep(0.5)
            index = (await self.api.get(f"/indexes/{self.index}"))["metadata"]
            status = index["status"]
        files = await self.api.get(f"/beta/directories/{self.directory}/files")
        return index["files_done"] == files["total_size"] and not index["files_failed"]


class API:
    """The web processes, seen by a client that may use any of them."""

    def __init__(self, servers: Sequence[Server], chance: random.Random):
        self.urls = [f"{server.url}/api/v1" for server in servers]
        self.chance = chance
        self.client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {servers[0].api_key}"},
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
        )

    def any_url(self) -> str:
        return self.chance.choice(self.urls)

    async def get(self, path: str) -> Any:
        return (await self.client.get(self.urls[0] + path, timeout=30)).raise_for_status().json()

    async def create(self, path: str, **fields: Any) -> dict[str, Any]:
        answer = await self.client.post(self.urls[0] + path, json=fields, timeout=30)
        return answer.raise_for_status().json()


class Chaos:
    def __init__(
        self,
        servers: Sequence[Server],
        postgres: Postgres,
        redis: Redis,
        database: str,
        conversations: int,
        seed: int,
    ):
        self.servers, self.postgres, self.redis = servers, postgres, redis
        self.database, self.count, self.seed = database, conversations, seed
        self.chance = random.Random(seed)
        self.falls: list[Callable[[], None]] = []  # still to come
        self.fallen: list[str] = []
        self.conversations: list[Conversation] = []
        self.library_is_whole = False

    def run(self, seconds: float) -> None:
        asyncio.run(self._run(seconds))

    async def _run(self, seconds: float) -> None:
        api = API(self.servers, random.Random(self.seed))
        handbook = (await api.get("/indexes"))["items"][0]["id"]
        for number in range(self.count):
            session = (await api.create("/chat", index_ids=[handbook]))["session_id"]
            chance = random.Random(f"{self.seed} {number}")
            self.conversations.append(Conversation(api, session, chance))
        directory = (await api.create("/beta/directories", name="Papers"))["id"]
        index = (await api.create("/indexes", source_directory_id=directory))["id"]
        librarian = Librarian(api, directory, index)

        until = time.monotonic() + seconds
        going = [asyncio.create_task(one.go_on(until)) for one in [*self.conversations, librarian]]
        while time.monotonic() < until:
            await asyncio.sleep(self.chance.uniform(*PAUSE))
            await asyncio.to_thread(self.fell_something)
        await asyncio.wait(going, timeout=PATIENCE)
        for task in going:
            task.cancel()
        with suppress(TimeoutError):
            self.library_is_whole = await asyncio.wait_for(librarian.is_content(), PATIENCE)
        await api.client.aclose()

    def fell_something(self) -> None:
        if not self.falls:  # all of them, again, in another order
            ways = [self.kill_web, self.stop_web, self.kill_all_web, self.kill_worker]
            self.falls = [*ways, self.restart_postgres, self.restart_redis]
            self.chance.shuffle(self.falls)
        fall = self.falls.pop()
        self.fallen.append(fall.__name__)
        fall()

    def kill_web(self) -> None:
        server = self.chance.choice(self.servers)
        server.kill("web")
        server.start("web")

    def stop_web(self) -> None:
        server = self.chance.choice(self.servers)
        server.stop("web")
        server.start("web")

    def kill_all_web(self) -> None:
        for server in self.servers:
            server.kill("web")
        for server in self.servers:
            server.start("web")

    def kill_worker(self) -> None:
        self.servers[0].kill("worker")
        self.servers[0].start("worker")

    def restart_postgres(self) -> None:
        self.postgres.restart()

    def restart_redis(self) -> None:
        self.redis.stop()
        time.sleep(self.chance.uniform(0, 2))
        self.redis.start()

    def faults(self) -> list[str]:
        """Every way in which a client's words differ from the rows, or anything is left undone."""
        found = [] if self.library_is_whole else ["the library lacks documents that were added"]
        for server in self.servers:
            found += [
                f"a {n} is down" for n, one in server.processes.items() if one.poll() is not None
            ]
        with psycopg.connect(self.database, row_factory=namedtuple_row) as connection:
            for one in self.conversations:
                rows = connection.execute(_ROWS, [one.session]).fetchall()
                found += [f"{one.session}: {fault}" for fault in faults_of(one, rows)]
        return found


_ROWS = """
    SELECT event.seq, type, payload, turn_id, state
    FROM chat_event event JOIN chat_turn turn ON turn.id = turn_id
    WHERE event.session_id = %s ORDER BY event.seq
"""


def faults_of(conversation: Conversation, rows: Sequence[Any]) -> Iterator[str]:
    if not conversation.is_at_rest:
        yield "its last answer never came to an end"
    numbers = [number for number, _ in conversation.events]
    if numbers != sorted(set(numbers)):
        yield "events came twice or out of order"
    kept = {row.seq: {"type": row.type, **row.payload} for row in rows}
    for missed in sorted(kept.keys() - numbers):
        yield f"{kept[missed]['type']} {missed} was not read"
    cut = {row.seq for row in rows if row.type == "stop" and row.state == "interrupted"}
    for number, event in conversation.events:
        if number not in kept:
            end = min((seq for seq in cut if seq > number), default=None)
            if event["type"] not in LOST or end is None:
                yield f"{event['type']} {number} was read and is not kept"
        elif event != kept[number]:
            yield f"{event['type']} {number} reads otherwise than it is kept"
    turns: dict[int, list[Any]] = {}
    for row in rows:
        turns.setdefault(row.turn_id, []).append(row)
    for turn in turns.values():
        yield from faults_of_turn(turn)


def faults_of_turn(rows: Sequence[Any]) -> Iterator[str]:
    kinds = [row.type for row in rows]
    if rows[0].state == "running":
        yield "a turn is running still"
    if kinds[0] != "user_input" or kinds[-1] != "stop" or kinds.count("stop") != 1:
        yield f"a turn has the events {kinds}"
    deltas = "".join(row.payload["content"] for row in rows if row.type == "text_delta")
    whole = "".join(row.payload["content"] for row in rows if row.type == "text")
    if deltas != whole:
        yield f"the deltas end in {deltas[-40:]!r}, the text in {whole[-40:]!r}"
    words = whole.split()
    if words != [f"t{number:06d}" for number in range(len(words))]:
        yield f"an answer lacks words: {whole!r}"
