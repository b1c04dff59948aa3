"""The blocks of the handbook's page on the API, run as they stand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import backends
from tests.server import ROOT, Server

from .test_npm_sdk import HERE as NPM
from .test_npm_sdk import HOW

PAGE = (ROOT / "docs/api.md").read_text()
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWER = "The pump is oiled every Monday."


def program(language: str) -> str:
    return "\n".join(block for name, block in FENCE.findall(PAGE) if name == language)


def run(command: list[str], server: Server, folder: Path) -> str:
    """What the program printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"CARREL_URL": server.url, "CARREL_KEY": server.api_key},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(printed: str) -> None:
    assert printed.count(ANSWER) >= 2, printed  # found, and answered
    assert re.search(r"ses-\w+ When is the pump oiled\?", printed)
    assert re.search(r"user_input.*tool_call.*tool_result.*text.*stop", printed, re.DOTALL)


def test_python(server: Server, tmp_path: Path):
    (tmp_path / "flow.py").write_text(program("python"))

    check(run([sys.executable, "flow.py"], server, tmp_path))


def test_typescript(server: Server, tmp_path: Path):
    """No block has a type in it, so what is TypeScript is JavaScript too."""
    node = backends.node()
    backends.needs((NPM / "node_modules").exists(), "The npm SDK", HOW)
    (tmp_path / "node_modules").symlink_to(NPM / "node_modules")
    (tmp_path / "flow.mjs").write_text(program("ts"))

    check(run([node, "flow.mjs"], server, tmp_path))


def test_curl(server: Server, tmp_path: Path):
    for name in ("curl", "jq", "bash"):
        backends.needs(shutil.which(name), name, f"apt install {name}")
    (tmp_path / "flow.sh").write_text("set -euo pipefail\n" + program("sh"))

    check(run(["bash", "flow.sh"], server, tmp_path))


@pytest.mark.parametrize("language", ["python", "ts", "sh"])
def test_every_section_speaks_all_languages(language: str):
    sections = [part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if "```" in part]

    assert all(len(re.findall(rf"^```{language}$", part, re.M)) == 1 for part in sections)
    assert len(sections) == 7
