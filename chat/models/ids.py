"""Ids handed out: a prefix that says what it is, and 128 random bits nobody can guess."""

import secrets


def _random(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(16)}"


def session_id() -> str:
    return _random("ses")


def index_id() -> str:
    return _random("idx")


def directory_id() -> str:
    return _random("dir")


def directory_file_id() -> str:
    return _random("dfl")
