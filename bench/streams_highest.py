"""How many streams one web process holds: more of them, or fewer, until words begin to be late."""

import argparse
import asyncio
import itertools
from collections.abc import Sequence

from bench import streams_client as client
from bench.streams_client import Run, Stream, check
from bench.streams_relays import Carrel

RATE = 10  # tokens a second, of each stream
BEGUN = 15  # streams a second: to begin a turn costs more than to go on with one
STEADY = 20  # seconds that all go on together, which alone are judged
LATE = 0.5  # seconds: the longest p99 gap, and how far the end may lag behind
GROWTH = 1.25


def highest(carrel: Carrel, options: argparse.Namespace) -> None:
    print(f"streams of {RATE} tokens a second, more each time, {STEADY} s all together")
    asyncio.run(client.ask_each(carrel.targets(3, tokens=5, rate=50)))
    held = options.from_streams
    if is_held(carrel, held):
        while is_held(carrel, int(held * GROWTH)):
            held = int(held * GROWTH)
    else:
        held = int(held / GROWTH)
        while held > 1 and not is_held(carrel, held):
            held = int(held / GROWTH)
    print(f"  held: {held} streams, {held * RATE:,} tokens a second\n")


def is_held(carrel: Carrel, count: int) -> bool:
    over = count / BEGUN
    tokens = int(RATE * (over + STEADY))
    run = asyncio.run(client.ask_all(carrel.targets(count, tokens, RATE), over))
    faults, whole = check(run.streams, tokens), all(one.ended for one in run.streams)
    waits = steady_waits(run.streams)
    late = waits[len(waits) * 99 // 100] if waits else float("inf")
    behind = lag(run, tokens)
    print(
        f"  {count:5} streams   p99 gap {late * 1e3:5.0f} ms   the end lags {behind:4.1f} s"
        f"   CPU {run.cpu / (count * tokens) * 1e6:.0f} µs a token   {faults}",
        flush=True,
    )
    return whole and max(late, behind) < LATE


def steady_waits(streams: Sequence[Stream]) -> list[float]:
    """All gaps, sorted, from when the last stream has begun to when the first ends."""
    begun = max(one.asked_at + one.first_text for one in streams)
    return sorted(
        after - before
        for one in streams
        for before, after in itertools.pairwise(one.arrivals)
        if one.asked_at + before > begun
    )


def lag(run: Run, tokens: int) -> float:
    """How much longer than it should the slowest stream took from its first word to its last."""
    spans = [one.arrivals[-1] - one.first_text for one in run.streams if one.arrivals]
    return max(spans, default=0.0) - (tokens - 1) / RATE
