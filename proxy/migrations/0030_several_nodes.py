from django.core.management.color import no_style
from django.db import migrations, models


def count_on(apps, schema_editor):
    """The one row so far was written with its id: PostgreSQL's counter still stands before it."""
    connection = schema_editor.connection
    for statement in connection.ops.sequence_reset_sql(no_style(), [apps.get_model("proxy", "SchedulerState")]):
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('proxy', '0029_how_miners_are_divided'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=32, unique=True, verbose_name='name')),
                ('holder', models.CharField(max_length=32, verbose_name='run')),
                ('node', models.CharField(max_length=63, verbose_name='node')),
                ('epoch', models.PositiveBigIntegerField(verbose_name='epoch')),
                ('expires_at', models.DateTimeField(verbose_name='expires')),
            ],
            options={
                'verbose_name': 'lease',
                'verbose_name_plural': 'leases',
            },
        ),
        migrations.CreateModel(
            name='ProxyNode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=63, unique=True, verbose_name='name')),
                ('run', models.CharField(max_length=32, verbose_name='run')),
                ('home', models.CharField(default='', max_length=32, verbose_name='data directory')),
                ('version', models.CharField(default='', max_length=32, verbose_name='version')),
                ('host', models.CharField(default='', max_length=255, verbose_name='machine')),
                ('pid', models.PositiveBigIntegerField(default=0, verbose_name='process')),
                ('address', models.CharField(default='', max_length=255, verbose_name='address for miners')),
                ('state', models.CharField(choices=[('starting', 'starting'), ('working', 'working'), ('draining', 'draining'), ('stopped', 'stopped')], default='starting', max_length=10, verbose_name='state')),
                ('drain', models.BooleanField(default=False, verbose_name='is to drain')),
                ('started_at', models.DateTimeField(verbose_name='started')),
                ('seen_at', models.DateTimeField(verbose_name='last heard')),
            ],
            options={
                'verbose_name': 'node',
                'verbose_name_plural': 'nodes',
                'ordering': ('name',),
            },
        ),
        migrations.RemoveConstraint(
            model_name='schedulerstate',
            name='engine_memory_one_row',
        ),
        migrations.AddField(
            model_name='schedulerstate',
            name='node',
            field=models.CharField(blank=True, default='', max_length=63, unique=True, verbose_name='node'),
        ),
        migrations.RunPython(count_on, migrations.RunPython.noop),
    ]
