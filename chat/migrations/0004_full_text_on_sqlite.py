"""The full-text table of SQLite, derived from chunks: ``manage.py reindex`` makes it again."""

from django.db import migrations

# ``scope`` holds the index's id as a word, so that a search of one index walks only its part of
# the postings. It weighs nothing in the ranking; the title weighs twice the text. The trigger is
# for chunks that go with what they belong to, past the search backend.
CREATE = [
    """
    CREATE VIRTUAL TABLE chat_fulltext
    USING fts5(scope, title, text, tokenize = 'porter unicode61')
    """,
    "INSERT INTO chat_fulltext (chat_fulltext, rank) VALUES ('rank', 'bm25(0.0, 2.0, 1.0)')",
    "CREATE VIRTUAL TABLE chat_fulltext_words USING fts5vocab(chat_fulltext, row)",
    """
    CREATE TRIGGER chat_chunk_leaves_fulltext AFTER DELETE ON chat_chunk
    BEGIN DELETE FROM chat_fulltext WHERE rowid = old.id; END
    """,
]
DROP = [
    "DROP TRIGGER chat_chunk_leaves_fulltext",
    "DROP TABLE chat_fulltext_words",
    "DROP TABLE chat_fulltext",
]


def run(statements):
    def on_sqlite(apps, schema_editor):
        if schema_editor.connection.vendor == "sqlite":
            for statement in statements:
                schema_editor.execute(statement)

    return on_sqlite


class Migration(migrations.Migration):
    dependencies = [("chat", "0003_index_revision")]

    operations = [migrations.RunPython(run(CREATE), run(DROP))]
