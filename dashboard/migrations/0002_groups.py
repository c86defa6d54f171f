"""Make the groups that people are put into. Rights that an owner took away or added later are left alone."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUPS = {
    "viewer": ["see"],
    "operator": ["see", "view_logs", "steer"],
    "administrator": ["see", "view_logs", "steer", "administer"],
}
NAMES = {
    "see": "Can see the dashboard",
    "view_logs": "Can see the logs",
    "steer": "Can move the split, switch modes and pin workers",
    "administer": "Can set up pools, people and links",
}


def make_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Permissions are made after all migrations, so those that the groups need are made here already."""
    group_model = apps.get_model("auth", "Group")
    permission = apps.get_model("auth", "Permission")
    content_type = apps.get_model("contenttypes", "ContentType")
    home, _ = content_type.objects.get_or_create(app_label="dashboard", model="permissions")
    made = {
        codename: permission.objects.get_or_create(codename=codename, content_type=home, defaults={"name": name})[0]
        for codename, name in NAMES.items()
    }
    for name, codenames in GROUPS.items():
        group, _ = group_model.objects.get_or_create(name=name)
        group.permissions.add(*(made[codename] for codename in codenames))


class Migration(migrations.Migration):
    dependencies = [
        ("dashboard", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
