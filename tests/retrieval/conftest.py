"""An index over a directory of real files, synced in this process."""

import pytest

from chat.models import Index, Sync
from chat.retrieval import search
from chat.retrieval.sync import run_sync
from tests.factories import make_directory, make_file, make_index


@pytest.fixture(autouse=True)
def fresh_reranker():
    """Rolled back tests give the ids of their chunks to the next; a real database never does."""
    search._reranker.cache_clear()


def sync(index: Index) -> Sync:
    """Make the index equal to its directory, as a worker does."""
    sync = index.syncs.create()
    run_sync(sync.pk)
    sync.refresh_from_db()
    index.refresh_from_db()
    return sync


@pytest.fixture
def library(transactional_db) -> Index:
    """Three small files, synced."""
    directory = make_directory("Library")
    make_file(directory, "rules.md", RULES)
    make_file(directory, "boiler.txt", "The boiler was serviced in March 2024 by Ada Novak.")
    make_file(directory, "lamps.md", "# Lamps\n\nThe lamps in the reading room are green.")
    index = make_index("Library", directory, synced=False)
    sync(index)
    return index


RULES = """# House rules

## Opening hours

The reading room opens at nine and closes at six.

## Borrowing

Members may borrow five volumes for four weeks. Late returns cost one euro a day.
"""
