"""The published flow with the npm SDK."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests import backends
from tests.server import ROOT, Server

HERE = Path(__file__).parent / "npm"
HOW = f"npm install --no-package-lock --prefix {HERE.relative_to(ROOT)}"


def run(script: str, server: Server, told: Any = None) -> Any:
    """What the script prints, told this."""
    node = backends.node()
    backends.needs((HERE / "node_modules").exists(), "The npm SDK", HOW)
    done = subprocess.run(
        [node, HERE / script],
        env=os.environ | {"URL": server.url, "KEY": server.api_key},
        input=json.dumps(told),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_npm_sdk_goes_the_published_way(server: Server):
    seen = run("flow.js", server)

    assert seen["file"] == {"name": "Reiher 漢.md", "type": "md"}
    assert seen["status"] == "ready"
    assert seen["found"] is True
    assert seen["names"] == ["Reiher 漢.md"]
    assert seen["matches"] == 1
    assert "fishes at dawn" in seen["text"]
    assert seen["streamed"][0] == "user_input"
    assert seen["streamed"][-1] == "stop"
    assert seen["kept"] == [kind for kind in seen["streamed"] if not kind.endswith("_delta")]
    assert seen["title"]
    assert seen["listed"] is True
    assert seen["gone"] == 404
