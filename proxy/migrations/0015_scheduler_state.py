from django.db import migrations


class Migration(migrations.Migration):
    """The model's name follows the code; its table keeps its own, so that nothing in the database changes."""

    dependencies = [
        ("proxy", "0014_no_reply"),
    ]

    operations = [
        migrations.AlterModelTable(name="enginememory", table="proxy_enginememory"),
        migrations.RenameModel(old_name="EngineMemory", new_name="SchedulerState"),
        migrations.AlterModelOptions(
            name="schedulerstate",
            options={"verbose_name": "state of the scheduler", "verbose_name_plural": "states of the scheduler"},
        ),
    ]
