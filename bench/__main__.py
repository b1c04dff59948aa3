"""All benchmarks, one after the other: ``python -m bench``, or ``make bench``.

Each also runs alone, and says with ``--help`` what it takes. Where a collection or a peer is
missing, that part is left out with a word on how to get it.
"""

import os
import subprocess
import sys
from pathlib import Path

BENCHES = (
    "retrieval_quality",
    "embedded_answers",
    "follow_ups",
    "mixed_folder",
    "search_speed",
    "sync_speed",
    "streams",
    "uploads",
    "pages",
)


def main() -> int:
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}, Python {sys.version.split()[0]}", flush=True)
    failed = []
    for name in BENCHES:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"bench.{name}"]
        if subprocess.run(command, cwd=Path(__file__).parents[1]).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
