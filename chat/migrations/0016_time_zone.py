from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0015_words_of_old_turns")]

    operations = [
        migrations.AddField(
            model_name="preferences",
            name="time_zone",
            field=models.CharField(blank=True, max_length=64, verbose_name="time zone"),
        ),
    ]
