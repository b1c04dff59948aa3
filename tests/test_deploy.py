"""The files in ``deploy``, as the handbook says to use them: nginx before two web processes."""

import getpass
import os
import shlex
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPSConnection
from pathlib import Path

import httpx
import pytest

from tests import backends
from tests.postgres import Postgres
from tests.server import ROOT, Server, free_port
from tests.stand_in.fixture import StandIn
from tests.streams.reading import Stream, events, post, prompt, text_of

HOST = "carrel.example.org"
ORIGIN = f"https://{HOST}"
CERTIFICATE, KEY = "certificate.pem", "key.pem"
MAIN = """
{user}
daemon off;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include carrel.conf;
}}
"""


class Site:
    """Carrel as people reach it: ``encrypted`` and ``plain`` are nginx's two ports."""

    def __init__(self, pair: tuple[Server, Server]):
        self.pair = pair
        self.encrypted, self.plain = free_port(), free_port()

    def client(self, path: str = "", **headers: str) -> httpx.Client:
        """Of the encrypted port, under the site's name."""
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.encrypted}{path}",
            headers={"Host": HOST, "Origin": ORIGIN, **headers},
            verify=False,
            trust_env=False,
            timeout=60,
        )

    def api(self) -> httpx.Client:
        return self.client("/api/v1", Authorization=f"Bearer {self.pair[0].api_key}")


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: Postgres,
    redis_server: str,
    stand_in_process: StandIn,
) -> Iterator[Site]:
    settings = example() | {
        "DATABASE_URL": postgres.new_database(),
        "REDIS_URL": redis_server,
        "LLM_BASE_URL": stand_in_process.url,
        "LLM_MODEL": "stand-in",
    }
    data = tmp_path_factory.mktemp("deployed")
    here, there = Server(data, **settings), Server(data, **settings)
    try:
        for server in (here, there):
            start_unit(server)
        with nginx(Site((here, there)), tmp_path_factory.mktemp("nginx")) as served:
            yield served
    finally:
        here.stop()
        there.stop()


def example() -> dict[str, str]:
    """What ``carrel.env.example`` sets, but for the place of the data."""
    lines = shlex.split((ROOT / "deploy/carrel.env.example").read_text(), comments=True)
    settings = dict(line.split("=", 1) for line in lines)
    assert settings.pop("CARREL_DATA_DIR")
    return settings


def start_unit(server: Server) -> None:
    """A web process by the command of its systemd unit."""
    unit = (ROOT / "deploy/carrel-web@.service").read_text()
    [command] = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    places = {
        "ExecStart=": "",
        "%i": str(server.port),
        "/opt/carrel/.venv/bin/python": sys.executable,
    }
    with (server.data / f"web-{server.port}.log").open("ab") as log:
        server.processes["web"] = subprocess.Popen(
            shlex.split(changed(command, places)),
            env=server.environment,
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    server.wait_until_up()


@contextmanager
def nginx(site: Site, folder: Path) -> Iterator[Site]:
    """``nginx.conf`` with what the handbook says to change, and ports that anyone may open."""
    signing = f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN={HOST}"
    made = f"{signing} -keyout {KEY} -out {CERTIFICATE}"
    subprocess.run(made.split(), cwd=folder, check=True, capture_output=True)
    places = {
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{site.pair[0].port};",
        "#server 127.0.0.1:8001;": f"server 127.0.0.1:{site.pair[1].port};",
        "listen 80;": f"listen 127.0.0.1:{site.plain};",
        "listen [::]:80;": "",
        "listen 443 ssl": f"listen 127.0.0.1:{site.encrypted} ssl",
        "listen [::]:443 ssl http2;": "",
        f"/etc/letsencrypt/live/{HOST}/fullchain.pem": str(folder / CERTIFICATE),
        f"/etc/letsencrypt/live/{HOST}/privkey.pem": str(folder / KEY),
    }
    conf = changed((ROOT / "deploy/nginx.conf").read_text(), places)
    (folder / "carrel.conf").write_text(conf)
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    (folder / "main.conf").write_text(MAIN.format(user=user))
    serving = subprocess.Popen(
        [backends.nginx(), "-p", str(folder), "-c", "main.conf", "-e", "stderr"]
    )
    try:
        with site.client() as client:
            wait_until_up(client)
        yield site
    finally:
        serving.terminate()
        serving.wait(30)


def changed(text: str, places: Mapping[str, str]) -> str:
    for old, new in places.items():
        assert old in text
        text = text.replace(old, new)
    return text


def wait_until_up(client: httpx.Client) -> None:
    for _ in range(200):
        try:
            assert client.get("/healthz").status_code == 200
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("nginx does not answer")


def test_whoever_comes_unencrypted_is_sent_on(site):
    answer = httpx.get(
        f"http://127.0.0.1:{site.plain}/library/", headers={"Host": HOST}, trust_env=False
    )

    assert answer.status_code == 301
    assert answer.headers["Location"] == f"{ORIGIN}/library/"


def test_a_person_signs_in_and_every_process_knows_them(site):
    with site.client() as browser:
        browser.get("/login/")
        secret = site.pair[0]
        post(browser, "/login/", username=secret.username, password=secret.password)
        answers = [browser.get("/library/") for _ in range(4)]

        assert all(cookie.secure for cookie in browser.cookies.jar)
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].headers["Strict-Transport-Security"] == "max-age=31536000"


def test_words_arrive_while_they_are_written_and_any_process_follows_and_stops_them(site, stand_in):
    stand_in.say(tokens=2_000, rate=20)
    with site.api() as api, site.api() as other:
        index = api.get("/indexes").json()["items"][0]["id"]
        session = api.post("/chat", json={"index_ids": [index]}).json()["session_id"]
        with prompt(api, session) as given:
            stream = Stream(given)
            seen = stream.read_until("text_delta", 5)
            assert stand_in.counts["open"] == 1
            for _ in range(2):  # nginx takes the processes by turns
                with events(other, session) as followed:
                    assert Stream(followed).read_until("text_delta", 2) == seen[: len(seen) - 3]
            other.post(f"/chat/{session}/cancel").raise_for_status()
            seen += stream.read_until("stop")

    assert seen[-2][2]["content"] == text_of(seen)
    assert not seen[-1][2]["is_error"]


def test_a_large_file_passes_and_one_beyond_the_limit_is_refused(site):
    with site.api() as api:
        large = {"file": ("large.txt", b"Pencils only. " * 400_000)}
        taken = api.post("/beta/files", files=large, data={"purpose": "user_data"})
    without = ssl.create_default_context()
    without.check_hostname, without.verify_mode = False, ssl.CERT_NONE
    connection = HTTPSConnection("127.0.0.1", site.encrypted, context=without)
    length = {"Host": HOST, "Content-Length": str(600 * 1024**2)}  # and nothing of it sent
    with closing(connection):
        connection.request("POST", "/api/v1/beta/files", headers=length)
        refused = connection.getresponse()

    assert taken.status_code == 200, taken.text
    assert refused.status == 413


def test_one_process_is_enough_when_the_other_has_died(site):
    site.pair[1].kill()

    with site.api() as api:
        assert {api.get("/indexes").status_code for _ in range(6)} == {200}
