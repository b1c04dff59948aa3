"""``manage.py quickstart``: from an empty database to a running Carrel, as often as one likes."""

import hashlib
import http.client
import os
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils.crypto import get_random_string

from chat.actions.handbook import add_handbook
from chat.management.processes import Ended, Family
from chat.models import Actor, APIKey, Project, Sync

START_PATIENCE = 60.0  # seconds


class Command(BaseCommand):
    help = "Prepare what is missing, then run the web and the worker process until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="only prepare")

    def handle(self, *, no_serve: bool, **options: Any) -> None:
        if not no_serve:
            check_port()
        self.prepare()
        if no_serve:
            self.stdout.write(f"Carrel is prepared.\n{self.sign_in}")
        else:
            self.serve()

    def prepare(self) -> None:
        self.say("Preparing the database and the pages ...")
        call_command("migrate", verbosity=0)
        if not settings.DEBUG:  # then they are served from where they were written
            collect_static_files()
        sign_in = create_first_admin()
        self.is_first_run = bool(sign_in)
        self.sign_in = sign_in or remembered_sign_in()

    def serve(self) -> None:
        """Raises ``CommandError`` when a process ends that should not."""
        family = Family()
        family.stop_on_signals()
        try:
            self.say("Starting the web and the worker process ...")
            family.start({name: manage(*command) for name, command in commands().items()})
            wait_until(family, answers)
            if self.is_first_run:
                self.say("Reading the handbook ...")
                wait_until(family, handbook_is_read)
            connection.close()
            if not family.stopping.is_set():
                self.say(f"\nCarrel is running at {url()}\n\n{self.sign_in}\nStop it with Ctrl-C.")
            family.wait()
            self.say("\nStopping ...")
        except Ended as ended:
            raise CommandError(explain(*ended.args)) from ended
        finally:
            family.stop()

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def check_port() -> None:
    """Raises ``CommandError`` if HOST and PORT cannot be listened on."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.HOST, settings.PORT, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {settings.HOST}, port {settings.PORT}: {error.strerror}. If Carrel"
            f" runs already, use that; else choose another port: PORT={settings.PORT + 1} make run"
        ) from error


def collect_static_files() -> None:
    """As collectstatic does, unless it did with the very same files."""
    stamp = settings.DATA_DIR / "static.collected"
    fingerprint = static_fingerprint()
    if stamp.exists() and stamp.read_text() == fingerprint and settings.STATIC_ROOT.exists():
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(fingerprint)


def static_fingerprint() -> str:
    files = (
        (name, os.stat(storage.path(name)))
        for finder in get_finders()
        for name, storage in finder.list([])
    )
    lines = sorted(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def create_first_admin() -> str:
    """On an installation without people: an admin, a key and the handbook.

    Answers the sign-in to show, which is kept in a file only the owner may read; else "".
    """
    with transaction.atomic():
        users = get_user_model()._default_manager
        if users.exists():
            return ""
        password = get_random_string(16)
        admin = users.create_superuser("admin", password=password)
        _key, secret = APIKey.issue("first key", admin, Project.default())
        add_handbook(Actor(admin), Project.default())
        sign_in = f"  user name   admin\n  password    {password}\n  API key     {secret}\n"
        keep(sign_in)  # before the commit: an admin whose password is lost helps nobody
    return f"{sign_in}\nThis is kept in {shown(sign_in_file())}."


def sign_in_file() -> Path:
    return settings.DATA_DIR / "first-sign-in.txt"


def keep(sign_in: str) -> None:
    sign_in_file().unlink(missing_ok=True)
    with open(os.open(sign_in_file(), os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(sign_in)


def remembered_sign_in() -> str:
    where = f", kept in {shown(sign_in_file())}" if sign_in_file().exists() else ""
    return (
        f"Sign in as on the first run{where}.\n"
        f"A forgotten password is replaced with: {shown(sys.executable)} manage.py changepassword"
        " admin"
    )


def shown(path: str | Path) -> str:
    """As short as it can be typed from here."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else str(path)


def commands() -> dict[str, tuple[str, ...]]:
    """The children, by name. With DEBUG both reload when code changes."""
    address = f"{settings.HOST}:{settings.PORT}"
    web = ("runserver", address) if settings.DEBUG else ("web",)
    return {"web": web, "worker": ("worker",)}


def manage(*command: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *command]


def reachable_host() -> str:
    """HOST, or when that means every address, one of them."""
    every = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    host: str = settings.HOST
    return every.get(host, host)


def url() -> str:
    host = reachable_host()
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}/"


def wait_until(family: Family, done: Callable[[], bool]) -> None:
    """At most ``START_PATIENCE``, and not once told to stop. Raises ``Ended``."""
    deadline = time.monotonic() + START_PATIENCE
    while not done() and time.monotonic() < deadline and not family.stopping.wait(0.1):
        family.check()


def answers() -> bool:
    """Whether anything does. A 400 will do: ALLOWED_HOSTS need not list the address."""
    connection = http.client.HTTPConnection(reachable_host(), settings.PORT, timeout=5)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def handbook_is_read() -> bool:
    return not Sync.objects.active().exists()


def explain(name: str, code: int) -> str:
    return f"The {name} process ended by itself (exit code {code}); so the other was stopped too."
