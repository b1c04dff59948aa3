"""What stands between the client and the model endpoint in ``bench.streams``."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.streams_client import Target
from tests.server import ROOT, Server, free_port

PROMPT = "How do I connect Ollama? tokens={tokens} rate={rate}"
KEY = "sk-carrel-bench"


class Direct:
    """An OpenAI-compatible endpoint; its CPU counts if its process is named."""

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
        url = f"{self.url}/chat/completions"
        return [Target(self.name, url, headers, body, self.pid)] * count


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
        sessions = [one.raise_for_status().json()["session_id"] for one in made]
        base = f"{self.server.url}/api/v1/chat"
        return [
            Target(self.name, f"{base}/{one}/messages/stream", headers, body, self.pid, "carrel")
            for one in sessions
        ]

    def rows(self) -> int:
        with sqlite3.connect(self.server.data / "carrel.sqlite3") as database:
            return database.execute("SELECT COUNT(*) FROM chat_event").fetchone()[0]


class Chainlit:
    """A Chainlit app, asked over the socket that its page opens; each prompt on one of its own."""

    name = "Chainlit app"

    def __init__(self, url: str, pid: int):
        self.url, self.pid = url, pid

    def targets(self, count: int, tokens: int, rate: float) -> list[Target]:
        body = {"output": PROMPT.format(tokens=tokens, rate=rate)}
        url = f"{self.url}/ws/socket.io/?EIO=4&transport=websocket"
        return [Target(self.name, url, {}, body, self.pid, "chainlit")] * count


Relay = Direct | Carrel | Chainlit


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
def bare(endpoint: str, data: Path) -> Iterator[Direct]:
    """``streams_bare`` under daphne, as Carrel is."""
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", port, "-v", "0"]
    command += ["--access-log", os.devnull, "bench.streams_bare:application"]
    environment = os.environ | {"LLM_BASE_URL": endpoint}
    with peer(command, f"{url}/alive", data / "bare.log", cwd=ROOT, env=environment) as pid:
        yield Direct("bare relay (daphne)", f"{url}/v1", pid)


@contextmanager
def litellm(program: str, endpoint: str, data: Path) -> Iterator[Direct]:
    """LiteLLM's proxy in front of the endpoint, without a database."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    config = data / "litellm.yaml"
    parameters = {"model": "openai/bench", "api_base": endpoint, "api_key": "none"}
    settings = {
        "model_list": [{"model_name": "bench", "litellm_params": parameters}],
        "general_settings": {"master_key": KEY},
    }
    config.write_text(json.dumps(settings))  # JSON is YAML
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with peer(command, f"{url}/health/liveliness", data / "litellm.log") as pid:
        yield Direct("LiteLLM proxy", f"{url}/v1", pid)


@contextmanager
def chainlit(program: str, endpoint: str, data: Path) -> Iterator[Chainlit]:
    """The app in ``streams_chainlit``, with no data layer, sign-in, file watcher or compression.

    What switches them on are variables, which it is not given, and files of the folder it is
    started for, which is new.
    """
    url = f"http://127.0.0.1:{free_port()}"
    root = data / "chainlit"
    root.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "CHAINLIT_APP_ROOT": str(root),
        "LLM_BASE_URL": endpoint,
        "UVICORN_WS_PER_MESSAGE_DEFLATE": "false",
    }
    command = [program, "run", str(ROOT / "bench" / "streams_chainlit.py"), "--headless"]
    command += ["--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    with peer(command, f"{url}/health", data / "chainlit.log", cwd=root, env=environment) as pid:
        yield Chainlit(url, pid)


@contextmanager
def peer(command: list[str], alive: str, log: Path, **options: Any) -> Iterator[int]:
    """A program's process id, from when it answers at ``alive``; ended afterwards."""
    with open(log, "wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, **options)
    try:
        wait_until_alive(alive, process, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()


def wait_until_alive(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, f"it ended by itself\n{log.read_text()}"
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"it did not start\n{log.read_text()}")
