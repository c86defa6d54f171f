from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("proxy", "0023_split_outlives_a_restart"),
    ]

    operations = [
        migrations.AddField(
            model_name="block",
            name="confirmations",
            field=models.IntegerField(
                blank=True,
                help_text="As the node or server said last; -1: not part of the chain (orphaned), empty: not known.",
                null=True,
                verbose_name="confirmations",
            ),
        ),
    ]
