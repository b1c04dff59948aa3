"""``manage.py reindex``: make the search structures again from the chunks."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat import conf
from chat.models import Index


class Command(BaseCommand):
    help = "Make the full-text and vector structures again. Searches go on meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("index", nargs="*", help="Ids of indexes; all when none is given.")

    def handle(self, *, index: list[str], **options: Any) -> None:
        if unknown := set(index) - set(Index.objects.values_list("pk", flat=True)):
            raise CommandError(f"There is no index {', '.join(sorted(unknown))}.")
        count = conf.search_backend().rebuild(index or None)
        self.stdout.write(f"{count} chunks written.")
