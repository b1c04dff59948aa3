"""What a process has used, from /proc."""

import os
import re
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User's and system's, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss(pid: int) -> float:
    """Megabytes."""
    return _status(pid, "VmRSS") / 1024


def peak_rss(pid: int) -> int:
    """The most that it has held, in KB."""
    return _status(pid, "VmHWM")


def _status(pid: int, field: str) -> int:
    return int(re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
