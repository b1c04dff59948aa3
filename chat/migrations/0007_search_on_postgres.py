"""Words and vectors in PostgreSQL, derived from chunks: ``manage.py reindex`` makes them again."""

from django.db import migrations

# One row for each word of each chunk. ``weight`` is what the word adds to the chunk's BM25 but for
# its rarity, ``scope`` stands for the index; both are worked out by the search backend. The key
# holds all that ranking reads, so that it reads nothing else.
#
# The sketch of a vector is the signs of its numbers: a thirtieth of it, and enough to tell what
# lies near. It is in the key for the same reason.
#
# The triggers are for chunks that go with what they belong to, past the search backend.
CREATE = [
    "CREATE EXTENSION IF NOT EXISTS vector",
    """
    CREATE TABLE chat_posting (
        term text COLLATE "C" NOT NULL,
        scope bigint NOT NULL,
        chunk_id bigint NOT NULL,
        weight real NOT NULL,
        PRIMARY KEY (term, scope, chunk_id) INCLUDE (weight)
    )
    """,
    "CREATE INDEX chat_posting_of_chunk ON chat_posting (chunk_id)",
    """
    CREATE TABLE chat_vector (
        chunk_id bigint PRIMARY KEY,
        scope bigint NOT NULL,
        embedder text COLLATE "C" NOT NULL,
        embedding halfvec NOT NULL,
        sketch bit varying GENERATED ALWAYS AS (binary_quantize(embedding)) STORED
    )
    """,
    """
    CREATE INDEX chat_vector_by_sketch ON chat_vector (scope, embedder) INCLUDE (chunk_id, sketch)
    """,
    """
    CREATE FUNCTION chat_forget_chunks() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM chat_posting WHERE chunk_id IN (SELECT id FROM gone);
        DELETE FROM chat_vector WHERE chunk_id IN (SELECT id FROM gone);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER chat_chunk_leaves_search AFTER DELETE ON chat_chunk
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION chat_forget_chunks()
    """,
    """
    CREATE FUNCTION chat_forget_all_chunks() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        TRUNCATE chat_posting, chat_vector;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER chat_chunk_empties_search AFTER TRUNCATE ON chat_chunk
    FOR EACH STATEMENT EXECUTE FUNCTION chat_forget_all_chunks()
    """,
]
# The extension stays: it may have been there before.
DROP = [
    "DROP TRIGGER chat_chunk_empties_search ON chat_chunk",
    "DROP TRIGGER chat_chunk_leaves_search ON chat_chunk",
    "DROP FUNCTION chat_forget_all_chunks",
    "DROP FUNCTION chat_forget_chunks",
    "DROP TABLE chat_vector",
    "DROP TABLE chat_posting",
]


def run(statements):
    def on_postgres(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement)

    return on_postgres


class Migration(migrations.Migration):
    dependencies = [("chat", "0006_turns_form_a_tree")]

    operations = [migrations.RunPython(run(CREATE), run(DROP))]
