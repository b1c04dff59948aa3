"""Quotas, how long sessions are kept, and an index on what a person asked lately."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
from django.conf import settings
from django.db import migrations, models

OF_PERSON = "chat_turn_asked_by_id_44036ce9"


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("chat", "0016_time_zone"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Quota",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "turns_per_hour",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Questions that one person may ask within any hour. Empty: no limit.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="turns per hour",
                    ),
                ),
                (
                    "tokens_per_day",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="Tokens read and written by the model for one person within any 24 hours. Empty: no limit.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="tokens per day",
                    ),
                ),
            ],
            options={
                "verbose_name": "quota",
                "verbose_name_plural": "quotas",
                "ordering": ["group__name"],
            },
        ),
        migrations.AddField(
            model_name="project",
            name="sessions_kept_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Sessions that nobody has asked in for so many days are deleted, pinned and archived ones too. Empty: they are kept until someone deletes them.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(36500),
                ],
                verbose_name="days sessions are kept",
            ),
        ),
        # Django itself would copy the whole table on SQLite to be rid of an index.
        migrations.RunSQL(
            f"DROP INDEX IF EXISTS {OF_PERSON}",
            f"CREATE INDEX {OF_PERSON} ON chat_turn (asked_by_id)",
            state_operations=[
                migrations.AlterField(
                    "turn",
                    "asked_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="turns",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="asked by",
                    ),
                )
            ],
        ),
        migrations.AddIndex(
            model_name="turn",
            index=models.Index(fields=["asked_by", "-created_at"], name="turns_of_a_person"),
        ),
        migrations.AddField(
            model_name="quota",
            name="group",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty: everyone who is in no group with a quota of its own.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="quotas",
                to="auth.group",
                verbose_name="group",
            ),
        ),
        migrations.AddConstraint(
            model_name="quota",
            constraint=models.UniqueConstraint(
                django.db.models.functions.comparison.Coalesce("group", 0),
                name="one_quota_a_group",
                violation_error_message="There is a quota for these people; change that one.",
            ),
        ),
    ]
