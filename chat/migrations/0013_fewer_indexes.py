"""Two indexes that a constraint beside them makes needless. Each costs half of what a row does.

Django itself would copy the whole of both tables on SQLite for it, and lose their triggers.
"""

import django.db.models.deletion
from django.db import migrations, models

SESSION, DOCUMENT = "chat_event_session_id_77423c07", "chat_chunk_document_id_7879eb3c"
DROP = [
    f"DROP INDEX IF EXISTS {SESSION}",
    f"DROP INDEX IF EXISTS {SESSION}_like",  # PostgreSQL's own, beside that of a varchar
    f"DROP INDEX IF EXISTS {DOCUMENT}",
]
CREATE = [
    f"CREATE INDEX {SESSION} ON chat_event (session_id)",
    f"CREATE INDEX {DOCUMENT} ON chat_chunk (document_id)",
]


def without_index(to: str, related_name: str) -> models.ForeignKey:
    on_delete = django.db.models.deletion.CASCADE
    return models.ForeignKey(to, on_delete, related_name=related_name, db_index=False)


class Migration(migrations.Migration):
    dependencies = [("chat", "0012_names_for_people")]

    operations = [
        migrations.RunSQL(
            DROP,
            CREATE,
            state_operations=[
                migrations.AlterField(
                    "event",
                    "session",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="chat.session",
                        verbose_name="session",
                    ),
                ),
                migrations.AlterField(
                    "chunk",
                    "document",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chunks",
                        to="chat.document",
                        verbose_name="document",
                    ),
                ),
            ],
        )
    ]
