"""The words of each chunk as numbers, on SQLite; derived: ``manage.py reindex`` makes them again.

A web process keeps them in memory, and full text is the way until they are there. A chunk that is
written again gets a new id, so that whoever holds the older ones knows what to read. The trigger
is for chunks that go with what they belong to: what is held of their index is then old.
"""

from django.db import migrations

CREATE = [
    """
    CREATE TABLE chat_words (
        id integer PRIMARY KEY AUTOINCREMENT,
        chunk_id integer NOT NULL UNIQUE,
        document_id integer NOT NULL,
        index_id varchar(40) NOT NULL,
        length integer NOT NULL,
        stems blob NOT NULL
    )
    """,
    "CREATE INDEX chat_words_of_index ON chat_words (index_id)",
    "CREATE INDEX chat_words_by_length ON chat_words (length)",
    """
    CREATE TRIGGER chat_chunk_leaves_words AFTER DELETE ON chat_chunk
    BEGIN
        DELETE FROM chat_words WHERE chunk_id = old.id;
        UPDATE chat_index SET revision = revision + 1 WHERE id = old.index_id;
    END
    """,
]
DROP = ["DROP TRIGGER chat_chunk_leaves_words", "DROP TABLE chat_words"]


def run(statements):
    def on_sqlite(apps, schema_editor):
        if schema_editor.connection.vendor == "sqlite":
            for statement in statements:
                schema_editor.execute(statement)

    return on_sqlite


class Migration(migrations.Migration):
    dependencies = [("chat", "0009_sign_ins")]

    operations = [migrations.RunPython(run(CREATE), run(DROP))]
