from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0002_create_once")]

    operations = [
        migrations.AddField(
            model_name="index",
            name="revision",
            field=models.PositiveBigIntegerField(
                default=0, editable=False, verbose_name="revision"
            ),
        ),
    ]
