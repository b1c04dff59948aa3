"""The words of turns that ended before they were kept."""

from itertools import groupby

from django.db import migrations

from chat.models.turn_words import comparable

AT_ONCE = 500  # turns


def keep(apps, schema_editor):
    turns = apps.get_model("chat", "Turn").objects.exclude(state="running")
    events = apps.get_model("chat", "Event").objects.filter(type__in=["user_input", "text"])
    words = apps.get_model("chat", "TurnWords")
    last = 0
    while some := list(
        turns.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]
    ):
        last = some[-1]
        said = events.filter(turn__in=some).order_by("turn", "seq")
        rows = said.values_list("turn", "session", "payload")
        words.objects.bulk_create(
            words(
                turn_id=turn,
                session_id=session,
                text=comparable("\n".join(one[2]["content"] for one in parts)),
            )
            for (turn, session), parts in groupby(rows, lambda one: one[:2])
        )


class Migration(migrations.Migration):
    dependencies = [("chat", "0014_turn_words")]

    operations = [migrations.RunPython(keep, migrations.RunPython.noop)]
