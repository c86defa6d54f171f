"""Keeps the group *administrator* complete: all permissions, and access to the admin for its members."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.models import Group, Permission, User
from django.db.models.signals import m2m_changed
from django.dispatch import receiver

VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"
_APPS = ("proxy", "dashboard", "auth", "mfa")


def grant_everything(app_config: AppConfig, using: str, **_: Any) -> None:
    """Runs after each migration: administrators get the permissions of new models too.

    Connected when all apps are ready, for it must come after Django's own receiver, which makes the permissions.
    """
    group = Group.objects.using(using).filter(name=ADMINISTRATOR).first()
    if group is not None and app_config.label in _APPS:
        group.permissions.add(*Permission.objects.using(using).filter(content_type__app_label=app_config.label))


@receiver(m2m_changed, sender=User.groups.through, dispatch_uid="dashboard.groups.staff")
def follow_group(instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_: Any) -> None:
    """Runs when people enter or leave groups: administrators are staff, others are not (superusers always are)."""
    if action not in ("post_add", "post_remove", "post_clear"):
        return
    people = User.objects.filter(pk__in=pk_set or ()) if reverse else [instance]
    for person in people:
        staff = person.is_superuser or person.groups.filter(name=ADMINISTRATOR).exists()
        if person.is_staff != staff:
            person.is_staff = staff
            person.save(update_fields=["is_staff"])
