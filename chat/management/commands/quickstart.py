"""``manage.py quickstart``: from an empty database to a running Carrel, as often as one likes."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from argparse import ArgumentParser
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
from chat.management import processes
from chat.models import Actor, APIKey, Project


class Command(BaseCommand):
    help = "Prepare what is missing, then run the web and the worker process until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="only prepare")

    def handle(self, *, no_serve: bool, **options: Any) -> None:
        if not no_serve:
            check_port()
        try:
            self.prepare()
        except KeyboardInterrupt:
            raise CommandError("Stopped. The next run goes on from here.", returncode=130) from None
        if not no_serve:
            self.say("Starting the web and the worker process ...")
            serve()

    def prepare(self) -> None:
        self.say("Preparing the database and the pages ...")
        call_command("migrate", verbosity=0)
        if not settings.DEBUG:  # then they are served from where they were written
            collect_static_files()
        sign_in = create_first_admin()
        if sign_in:
            self.say("Reading the handbook ...")
            quiet = {**os.environ, "LOG_LEVEL": "WARNING"}
            subprocess.run(manage("worker", "--batch"), env=quiet, check=False)  # noqa: S603
        self.say(f"\n{sign_in or remembered_sign_in()}\n")

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def check_port() -> None:
    """Raises ``CommandError`` if HOST and PORT cannot be listened on."""
    try:
        family = socket.getaddrinfo(settings.HOST, None, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.HOST, settings.PORT))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandError(
            f"Cannot listen on {settings.HOST}, port {settings.PORT}: {reason}. If Carrel runs"
            " there already, use that one; else choose another port, as in: PORT=8001 make run"
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
        f"Sign in as on the first run{where}. A forgotten password is replaced with:\n"
        f"  {shown(sys.executable)} manage.py changepassword admin"
    )


def shown(path: str | Path) -> str:
    """As short as it can be typed from here."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else str(path)


def serve() -> None:
    """Become the program that runs web and worker. With DEBUG both reload when code changes."""
    address = f"{settings.HOST}:{settings.PORT}"
    web = manage("runserver", address) if settings.DEBUG else manage("web")
    commands = json.dumps({"web": web, "worker": manage("worker")})
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(settings.HOST), settings.HOST)  # noqa: S104
    connection.close()
    program = [sys.executable, str(processes.__file__), here, str(settings.PORT), commands]
    os.execv(sys.executable, program)  # noqa: S606


def manage(*command: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *command]
