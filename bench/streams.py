"""What Carrel adds to the stream of a model endpoint: time to first text, CPU, and no lost word.

    python -m bench.streams [--only NAME ...] [--full]

A model endpoint that is never the limit (``streams_endpoint``) is read directly, through Carrel's
web process and through a bare relay (``streams_bare``); where ``CARREL_BENCH_LITELLM`` names a
``litellm`` program, through its proxy, and where ``CARREL_BENCH_CHAINLIT`` names a ``chainlit``
program, through an app of it; by the same client, in the same run. Every token is stamped, and
every stream is compared with what was sent.
With uvicorn importable (or in the folder ``CARREL_BENCH_UVICORN``), Carrel runs under it as well.
CPU is the process's own, from /proc, log and persistence included.
"""

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import streams_client as client
from bench.proc import cpu_seconds, rss
from bench.streams_client import Stream, check, gaps
from bench.streams_highest import highest
from bench.streams_processes import processes
from bench.streams_relays import (
    Carrel,
    Direct,
    Relay,
    bare,
    chainlit,
    litellm,
    started,
    sync_sample,
)
from tests.server import ROOT, Server

ONE_PROCESS = ("first-text", "paced", "crowd", "highest", "followers")


def main() -> None:
    options = parsed()
    allow_files()
    with (
        tempfile.TemporaryDirectory(prefix="carrel-bench-") as folder,
        started(sys.executable, "-m", "bench.streams_endpoint") as endpoint,
    ):
        data = Path(folder)
        if not set(ONE_PROCESS).isdisjoint(options.only):
            in_one_process(endpoint, data, options)
        if "processes" in options.only:
            processes(endpoint, data, options)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parts = (*ONE_PROCESS, "processes")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--rounds", type=int, default=60, help="streams, one after another")
    parser.add_argument("--streams", type=int, default=200, help="at once, at 50 tokens a second")
    parser.add_argument("--tokens", type=int, default=500, help="a stream, at 50 a second")
    parser.add_argument("--crowd", type=int, default=500, help="streams at 10 tokens a second")
    parser.add_argument("--from-streams", type=int, default=400, help="where highest begins")
    parser.add_argument("--followers", type=int, default=1000, help="of one turn")
    parser.add_argument("--processes", type=int, default=4, help="over PostgreSQL and Redis")
    parser.add_argument("--turns", type=int, default=200, help="a process, at 10 tokens a second")
    parser.add_argument("--seconds", type=int, default=60, help="of what is 10 tokens a second")
    parser.add_argument("--full", action="store_const", dest="seconds", const=300, help="300 s")
    return parser.parse_args()


def allow_files() -> None:
    """As many open connections as may be, here and in the processes begun from here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def in_one_process(endpoint: str, data: Path, options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        carrel = stack.enter_context(web_process(endpoint, data))
        relays: list[Relay] = [Direct("endpoint read directly", endpoint), carrel]
        if not {"first-text", "paced"}.isdisjoint(options.only):
            relays.append(stack.enter_context(bare(endpoint, data)))
        for variable, relay in {"LITELLM": litellm, "CHAINLIT": chainlit}.items():
            if program := os.environ.get(f"CARREL_BENCH_{variable}"):
                relays.append(stack.enter_context(relay(program, endpoint, data)))
            else:
                print(f"{relay.__name__} is left out: CARREL_BENCH_{variable} names no program.\n")
        if "first-text" in options.only:
            first_text(relays, options)
        if "paced" in options.only:
            paced(relays, options)
            under_uvicorn(carrel, options)
        if "crowd" in options.only:
            crowd(carrel, options)
        if "highest" in options.only:
            highest(carrel, options)
        if "followers" in options.only:
            asyncio.run(followers(carrel, options))


@contextmanager
def web_process(endpoint: str, data: Path) -> Iterator[Carrel]:
    """One, over SQLite and the sample library."""
    server = Server(data / "carrel", LLM_BASE_URL=endpoint, LLM_MODEL="bench")
    try:
        sync_sample(server)
        server.start("web")
        yield Carrel("Carrel (daphne)", server)
    finally:
        server.stop()


def first_text(relays: Sequence[Relay], options: argparse.Namespace) -> None:
    """Time to the first word, one after another and many at once, relays taking turns."""
    print(f"Time to first text, ms: p50 of {options.rounds} one after another; then at once")
    for at_once in sorted({1, min(50, options.streams), options.streams}):
        streams: dict[str, list[Stream]] = {}
        for relay in relays:  # the first is for what is made on first use
            asyncio.run(client.ask_each(relay.targets(3, tokens=5, rate=50)))
        tokens = 5 if at_once == 1 else 20
        for relay in relays:
            if at_once == 1:
                targets = relay.targets(options.rounds, tokens, rate=100)
                streams[relay.name] = asyncio.run(client.ask_each(targets))
            else:
                targets = relay.targets(at_once, tokens, rate=10)
                streams[relay.name] = asyncio.run(client.ask_all(targets, over=0)).streams
        floor = median(s.first_text for s in streams[relays[0].name])
        for relay in relays:
            faults = check(streams[relay.name], tokens)
            report_first_text(relay, streams[relay.name], at_once, floor, faults)
    print()


def report_first_text(
    relay: Relay, streams: Sequence[Stream], at_once: int, floor: float, faults: str
) -> None:
    first = median(s.first_text for s in streams)
    retrieval = median(s.retrieval for s in streams)
    line = f"  {at_once:4} at once  {relay.name:24} {first * 1e3:8.1f}"
    if retrieval:
        own = median(s.first_text - s.retrieval for s in streams) - floor
        line += f"   retrieval {retrieval * 1e3:.1f}, added beside it {own * 1e3:.1f}"
    elif relay.pid:
        line += f"   added {(first - floor) * 1e3:.1f}"
    print(f"{line}   {faults}")


def paced(relays: Sequence[Relay], options: argparse.Namespace) -> None:
    print(f"{options.streams} streams of {options.tokens} tokens at 50 a second, begun over 2 s")
    for relay in relays:
        report_paced(relay, options)
    print()


def report_paced(relay: Relay, options: argparse.Namespace) -> None:
    asyncio.run(client.ask_each(relay.targets(3, tokens=5, rate=50)))
    targets = relay.targets(options.streams, tokens=1, rate=50)
    turn = asyncio.run(client.ask_all(targets, over=2)).cpu
    targets = relay.targets(options.streams, options.tokens, rate=50)
    run = asyncio.run(client.ask_all(targets, over=2))
    faults = check(run.streams, options.tokens)
    tokens = options.streams * options.tokens
    line = (
        f"  {relay.name:24} {tokens / run.seconds:7,.0f} tokens/s of {tokens / ideal(options):,.0f}"
        f"   first text p50 {median(s.first_text for s in run.streams) * 1e3:7.1f} ms   {faults}"
    )
    if relay.pid:
        line += (
            f"   CPU {run.cpu / tokens * 1e6:.0f} µs a token,"
            f" {(run.cpu - turn) / tokens * 1e6:.0f} without what a turn costs by itself"
            f" ({turn / options.streams * 1e3:.1f} ms)   RSS {rss(relay.pid):.0f} MB"
        )
    print(line)


def ideal(options: argparse.Namespace) -> float:
    """Seconds that the run takes when nothing is late."""
    return 2 + options.tokens / 50


def under_uvicorn(carrel: Carrel, options: argparse.Namespace) -> None:
    path = os.environ.get("CARREL_BENCH_UVICORN", "")
    environment = carrel.server.environment | ({"PYTHONPATH": path} if path else {})
    seen = subprocess.run(
        [sys.executable, "-c", "import uvicorn"], env=environment, capture_output=True
    )
    if seen.returncode:
        print("uvicorn is left out: it is not installed, and CARREL_BENCH_UVICORN names no folder.")
        return
    carrel.server.stop("web")
    command = [sys.executable, "-m", "uvicorn", "chatsite.asgi:application", "--no-access-log"]
    command += ["--port", str(carrel.server.port), "--lifespan", "off", "--log-level", "warning"]
    with open(carrel.server.data / "uvicorn.log", "ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    carrel.server.processes["web"] = process
    carrel.server.wait_until_up()
    carrel.name = "Carrel (uvicorn)"
    report_paced(carrel, options)
    carrel.name = "Carrel (daphne)"
    carrel.server.stop("web")
    carrel.server.start("web")
    print()


def crowd(carrel: Carrel, options: argparse.Namespace) -> None:
    tokens = 10 * options.seconds
    print(f"{options.crowd} streams of 10 tokens a second for {options.seconds} s")
    asyncio.run(client.ask_each(carrel.targets(3, tokens=5, rate=50)))
    memory = rss(carrel.pid)
    rows = carrel.rows()
    targets = carrel.targets(options.crowd, tokens, rate=10)
    run = asyncio.run(client.ask_all(targets, over=10))
    print(
        f"  {check(run.streams, tokens)}   {gaps(run.streams)}\n"
        f"  CPU {run.cpu / (options.crowd * tokens) * 1e6:.0f} µs a token"
        f"   RSS {memory:.0f} MB before, {rss(carrel.pid):.0f} after"
        f"   rows a turn {(carrel.rows() - rows) / options.crowd:.0f}\n"
    )


async def followers(carrel: Carrel, options: argparse.Namespace) -> None:
    """One turn, read by many who joined before and during it."""
    tokens = 200
    (target,) = carrel.targets(1, tokens, rate=20)
    print(f"{options.followers} followers of one turn of {tokens} tokens at 20 a second")
    events = target.url.replace("/messages/stream", "/events")
    async with client.opened() as http:
        before = cpu_seconds(carrel.pid)
        asking = asyncio.create_task(client.ask(http, target))
        following = []
        for number in range(options.followers):
            following.append(asyncio.create_task(follow(http, events, target.headers)))
            if number % 50 == 49:
                await asyncio.sleep(0.1)
        streams = await asyncio.gather(asking, *following)
    cpu = cpu_seconds(carrel.pid) - before
    faults = check(streams, tokens)
    late = sorted(one.asked_at + one.arrivals[-1] for one in streams if one.arrivals) or [0.0]
    print(
        f"  {faults}   last word {late[len(late) // 2] - late[0]:.2f} s (p50), "
        f"{late[-1] - late[0]:.2f} s (last) after the first to have it   CPU"
        f" {cpu / (tokens * len(streams)) * 1e6:.0f} µs a token and follower"
        f"   RSS {rss(carrel.pid):.0f} MB\n"
    )


async def follow(http: Any, url: str, headers: dict[str, str]) -> Stream:
    return await client.read(http.get(url, headers=headers), client.read_carrel)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
