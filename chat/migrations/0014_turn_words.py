import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0013_fewer_indexes")]

    operations = [
        migrations.CreateModel(
            name="TurnWords",
            fields=[
                (
                    "turn",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="words",
                        serialize=False,
                        to="chat.turn",
                    ),
                ),
                ("text", models.TextField()),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="words",
                        to="chat.session",
                    ),
                ),
            ],
            options={
                "verbose_name": "words of a turn",
                "verbose_name_plural": "words of turns",
                "ordering": ["turn"],
            },
        ),
    ]
