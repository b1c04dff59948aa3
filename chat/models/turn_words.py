"""What was said in each turn, as the search over sessions compares it."""

import re
import unicodedata
from collections.abc import Iterable
from typing import ClassVar

from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from .sessions import Session, Turn

_ACCENT = re.compile("[\u0300-\u036f]")


def comparable(text: str) -> str:
    """In small letters and without accents: neither is minded, whichever the database."""
    if text.isascii():
        return text.lower()
    return _ACCENT.sub("", unicodedata.normalize("NFD", text.casefold()))


class TurnWords(models.Model):
    """A turn's question and, once it has ended, answer, comparable. Derived: events are the truth.

    By themselves, since the rows of events hold far more, and JSON cannot be searched as quickly.
    """

    turn = models.OneToOneField(Turn, models.CASCADE, primary_key=True, related_name="words")
    session = models.ForeignKey(Session, models.CASCADE, related_name="words")
    text = models.TextField()

    class Meta:
        verbose_name = _("words of a turn")
        verbose_name_plural = _("words of turns")
        ordering: ClassVar = ["turn"]

    def __str__(self) -> str:
        return f"words of turn {self.turn_id}"

    @classmethod
    def keep(cls, turn_id: int, session_id: str, said: Iterable[str]) -> None:
        """Of a turn that has just begun or ended; in the transaction that begins or ends it."""
        with connection.cursor() as cursor:
            cursor.execute(_KEEP, [turn_id, session_id, comparable("\n".join(said))])


_KEEP = """
    INSERT INTO chat_turnwords (turn_id, session_id, text) VALUES (%s, %s, %s)
    ON CONFLICT (turn_id) DO UPDATE SET text = excluded.text
"""
