"""What Carrel adds to the stream of a model endpoint: time to first text, CPU, and no lost word.

    python -m bench.streams [--only NAME ...] [--full]

A model endpoint that is never the limit (``streams_endpoint``) is read directly, through Carrel's
web process, and, where ``CARREL_BENCH_LITELLM`` names a ``litellm`` program, through its proxy; by
the same client, in the same run. Every token is stamped, and every stream is compared with what
was sent. With uvicorn importable (or in the folder ``CARREL_BENCH_UVICORN``), Carrel runs under it
as well. CPU is the process's own, from /proc, log and persistence included.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench import streams_client as client
from bench.streams_client import Stream, Target
from bench.streams_endpoint import expected
from tests.server import ROOT, Server, free_port

PROMPT = "How do I connect Ollama? tokens={tokens} rate={rate}"
TICK = os.sysconf("SC_CLK_TCK")
KEY = "sk-carrel-bench"


def main() -> None:
    options = parsed()
    with tempfile.TemporaryDirectory(prefix="carrel-bench-") as data, ExitStack() as stack:
        endpoint = stack.enter_context(started(sys.executable, "-m", "bench.streams_endpoint"))
        direct = Direct("endpoint read directly", endpoint)
        relays: list[Direct | Carrel] = [direct]
        prepared = Server(Path(data) / "carrel", LLM_BASE_URL=endpoint, LLM_MODEL="bench")
        sync_sample(prepared)
        carrel = Carrel("Carrel (daphne)", prepared)
        relays.append(carrel)
        stack.callback(prepared.stop)
        prepared.start("web")
        if proxy := os.environ.get("CARREL_BENCH_LITELLM"):
            url, pid = stack.enter_context(litellm(proxy, endpoint, Path(data)))
            relays.append(Direct("LiteLLM proxy", url, pid))
        else:
            print("LiteLLM is left out: CARREL_BENCH_LITELLM names no program.\n")
        if "first-text" in options.only:
            first_text(relays, options)
        if "paced" in options.only:
            paced(relays, options)
            under_uvicorn(carrel, options)
        if "crowd" in options.only:
            crowd(carrel, options)
        if "followers" in options.only:
            asyncio.run(followers(carrel, options))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parts = ("first-text", "paced", "crowd", "followers")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--rounds", type=int, default=60, help="sequential streams")
    parser.add_argument("--streams", type=int, default=200, help="at 50 tokens a second")
    parser.add_argument("--tokens", type=int, default=500, help="a stream, at 50 a second")
    parser.add_argument("--crowd", type=int, default=500, help="streams at 10 tokens a second")
    parser.add_argument("--followers", type=int, default=1000, help="of one turn")
    parser.add_argument("--full", action="store_true", help="the crowd for five minutes, not one")
    return parser.parse_args()


# What is measured ---------------------------------------------------------------------------------


def first_text(relays: Sequence["Direct | Carrel"], options: argparse.Namespace) -> None:
    """Time to the first word, one after another and many at once, relays taking turns."""
    print(f"Time to first text, ms: p50 of {options.rounds} one after another; then at once")
    for at_once in (1, 50, options.streams):
        streams: dict[str, list[Stream]] = {relay.name: [] for relay in relays}
        count = options.rounds if at_once == 1 else at_once
        for relay in relays:  # the first is for what is made on first use
            asyncio.run(client.ask_each(relay.targets(3, tokens=5, rate=50)))
        for relay in relays:
            if at_once == 1:
                targets = relay.targets(count, tokens=5, rate=100)
                streams[relay.name] = asyncio.run(client.ask_each(targets))
            else:
                targets = relay.targets(count, tokens=20, rate=10)
                streams[relay.name] = asyncio.run(client.ask_all(targets, over=0))
        floor = median(s.first_text for s in streams[relays[0].name])
        for relay in relays:
            report_first_text(relay, streams[relay.name], at_once, floor)
    print()


def report_first_text(
    relay: "Direct | Carrel", streams: Sequence[Stream], at_once: int, floor: float
) -> None:
    faults = check(streams, None)
    first = median(s.first_text for s in streams)
    retrieval = median(s.retrieval for s in streams)
    line = f"  {at_once:4} at once  {relay.name:24} {first * 1e3:8.1f}"
    if retrieval:
        own = median(s.first_text - s.retrieval for s in streams) - floor
        line += f"   retrieval {retrieval * 1e3:.1f}, added beside it {own * 1e3:.1f}"
    elif relay.pid:
        line += f"   added {(first - floor) * 1e3:.1f}"
    print(f"{line}   {faults}")


def paced(relays: Sequence["Direct | Carrel"], options: argparse.Namespace) -> None:
    print(f"{options.streams} streams of {options.tokens} tokens at 50 a second, begun over 2 s")
    for relay in relays:
        report_paced(relay, options)
    print()


def report_paced(relay: "Direct | Carrel", options: argparse.Namespace) -> None:
    asyncio.run(client.ask_each(relay.targets(3, tokens=5, rate=50)))
    turn = cpu_of(relay, relay.targets(options.streams, tokens=1, rate=50), over=2)[1]
    targets = relay.targets(options.streams, options.tokens, rate=50)
    streams, cpu, seconds = cpu_of(relay, targets, over=2)
    faults = check(streams, expected(options.tokens))
    tokens = options.streams * options.tokens
    line = (
        f"  {relay.name:24} {tokens / seconds:7,.0f} tokens/s of {tokens / ideal(options):,.0f}"
        f"   first text p50 {median(s.first_text for s in streams) * 1e3:7.1f} ms   {faults}"
    )
    if relay.pid:
        line += (
            f"   CPU {cpu / tokens * 1e6:.0f} µs a token, {(cpu - turn) / tokens * 1e6:.0f} without"
            f" what a turn costs by itself ({turn / options.streams * 1e3:.1f} ms)"
            f"   RSS {rss(relay.pid):.0f} MB"
        )
    print(line)


def ideal(options: argparse.Namespace) -> float:
    """Seconds that the run takes when nothing is late."""
    return 2 + options.tokens / 50


def under_uvicorn(carrel: "Carrel", options: argparse.Namespace) -> None:
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
    log = open(carrel.server.data / "uvicorn.log", "ab")  # noqa: SIM115
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    carrel.server.processes["web"] = process
    carrel.server.wait_until_up()
    carrel.name = "Carrel (uvicorn)"
    report_paced(carrel, options)
    carrel.name = "Carrel (daphne)"
    carrel.server.stop("web")
    carrel.server.start("web")
    print()


def crowd(carrel: "Carrel", options: argparse.Namespace) -> None:
    seconds = 300 if options.full else 60
    tokens = 10 * seconds
    print(f"{options.crowd} streams of 10 tokens a second for {seconds} s")
    asyncio.run(client.ask_each(carrel.targets(3, tokens=5, rate=50)))
    memory = rss(carrel.pid)
    rows = carrel.rows()
    targets = carrel.targets(options.crowd, tokens, rate=10)
    streams, cpu, _ = cpu_of(carrel, targets, over=10)
    faults = check(streams, expected(tokens))
    gaps = sorted(gap for stream in streams for gap in stream.gaps)
    print(
        f"  gaps p50 {gaps[len(gaps) // 2] * 1e3:.0f}, p99 {gaps[len(gaps) * 99 // 100] * 1e3:.0f},"
        f" longest {gaps[-1] * 1e3:.0f} ms   {faults}\n"
        f"  CPU {cpu / (options.crowd * tokens) * 1e6:.0f} µs a token   RSS {memory:.0f} MB before,"
        f" {rss(carrel.pid):.0f} after   rows a turn {(carrel.rows() - rows) / options.crowd:.0f}\n"
    )


async def followers(carrel: "Carrel", options: argparse.Namespace) -> None:
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
    faults = check(streams, expected(tokens))
    late = sorted(stream.asked_at + stream.arrivals[-1] for stream in streams)
    print(
        f"  {faults}   last word {late[len(late) // 2] - late[0]:.2f} s (p50), "
        f"{late[-1] - late[0]:.2f} s (last) after the first to have it   CPU"
        f" {cpu / (tokens * len(streams)) * 1e6:.0f} µs a token and follower"
        f"   RSS {rss(carrel.pid):.0f} MB\n"
    )


async def follow(http: Any, url: str, headers: dict[str, str]) -> Stream:
    return await client.read(http.get(url, headers=headers), client.read_carrel)


def check(streams: Sequence[Stream], text: str | None) -> str:
    """A word on what went wrong with the streams; fails on one that did not end well."""
    broken = [stream for stream in streams if stream.error or not stream.ended]
    if text is not None:
        altered = [s for s in streams if s.text != text and s not in broken]
    else:
        altered = [s for s in streams if s.text != expected(s.text.count("t")) and s not in broken]
    if not broken and not altered:
        return "every word once, in order"
    said = f": {broken[0].error or 'not ended'}" if broken else ""
    return f"{len(broken)} BROKEN OFF{said}, {len(altered)} ALTERED"


def cpu_of(
    relay: "Direct | Carrel", targets: Sequence[Target], over: float
) -> tuple[list[Stream], float, float]:
    """The streams, and the seconds of CPU and of the clock that they took."""
    before, began = cpu_seconds(relay.pid), time.monotonic()
    streams = asyncio.run(client.ask_all(targets, over))
    seconds = time.monotonic() - began
    return streams, cpu_seconds(relay.pid) - before, seconds


def cpu_seconds(pid: int) -> float:
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss(pid: int) -> float:
    """Megabytes."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def median(values: Iterator[float]) -> float:
    return statistics.median(values)


# What is asked ------------------------------------------------------------------------------------


class Direct:
    """An OpenAI-compatible endpoint."""

    def __init__(self, name: str, url: str, pid: int = 0):
        self.name, self.url, self.pid = name, url, pid

    def targets(self, count: int, tokens: int, rate: float) -> list[Target]:
        prompt = PROMPT.format(tokens=tokens, rate=rate)
        body = {
            "model": "bench",
            "messages": [{"role": "user", "content": prompt}],
            "stream": True,
        }
        headers = {"Authorization": f"Bearer {KEY}"}
        return [Target(self.name, f"{self.url}/chat/completions", headers, body)] * count


class Carrel:
    """A web process, asked over its API; each prompt in a session of its own, over the sample."""

    def __init__(self, name: str, server: Server):
        self.name, self.server = name, server

    @property
    def pid(self) -> int:
        return self.server.processes["web"].pid

    def targets(self, count: int, tokens: int, rate: float) -> list[Target]:
        prompt = PROMPT.format(tokens=tokens, rate=rate)
        body = {"index_ids": [], "prompt": prompt}
        headers = {"Authorization": f"Bearer {self.server.api_key}"}
        with self.server.api() as api:
            index = api.get("/indexes").json()["items"][0]["id"]
            made = [api.post("/chat", json={"index_ids": [index]}) for _ in range(count)]
        urls = [f"{made_one.json()['session_id']}/messages/stream" for made_one in made]
        base = f"{self.server.url}/api/v1/chat"
        return [Target(self.name, f"{base}/{url}", headers, body, kind="carrel") for url in urls]

    def rows(self) -> int:
        with sqlite3.connect(self.server.data / "carrel.sqlite3") as database:
            return database.execute("SELECT COUNT(*) FROM chat_event").fetchone()[0]


def sync_sample(server: Server) -> None:
    """Let a worker make the sample library searchable, and end it."""
    server.start()
    with server.api() as api:
        while api.get("/indexes").json()["items"][0]["metadata"]["status"] != "ready":
            time.sleep(0.5)
    server.stop()


@contextmanager
def started(*command: str) -> Iterator[str]:
    """A program that prints its address; ended afterwards."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)
        process.stdout.close()


@contextmanager
def litellm(program: str, endpoint: str, data: Path) -> Iterator[tuple[str, int]]:
    """LiteLLM's proxy in front of the endpoint, without a database: its address and process."""
    port = free_port()
    config = data / "litellm.yaml"
    parameters = {"model": "openai/bench", "api_base": endpoint, "api_key": "none"}
    settings = {
        "model_list": [{"model_name": "bench", "litellm_params": parameters}],
        "general_settings": {"master_key": KEY},
    }
    config.write_text(json.dumps(settings))  # JSON is YAML
    log = open(data / "litellm.log", "wb")  # noqa: SIM115
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_alive(f"{url}/health/liveliness", process)
        yield f"{url}/v1", process.pid
    finally:
        process.terminate()
        process.wait(20)


def wait_until_alive(url: str, process: subprocess.Popen) -> None:
    for _ in range(600):
        assert process.poll() is None, "LiteLLM ended by itself"
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError("LiteLLM did not start")


if __name__ == "__main__":
    main()
