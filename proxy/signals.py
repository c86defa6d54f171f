"""Raises the configuration's revision on each change; tells who looks at the database after the commit."""

from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save

from proxy.config.watcher import announce
from proxy.models import AlertTarget, ConfigRevision, Device, DeviceScan, PushSubscription
from proxy.models.base import ConfigModel


def connect() -> None:
    """Connect to all models of the configuration, and to no others: receivers slow down bulk deletes of history."""
    for model in apps.get_models():
        if issubclass(model, ConfigModel):
            post_save.connect(configuration_changed, sender=model, dispatch_uid="dpmp-configuration-saved")
            post_delete.connect(configuration_changed, sender=model, dispatch_uid="dpmp-configuration-deleted")
            for field in model._meta.many_to_many:  # no row of ours is saved where only such a relation changes
                m2m_changed.connect(
                    relation_changed, sender=field.remote_field.through, dispatch_uid="dpmp-configuration-relation"
                )
    post_delete.connect(subscription_deleted, sender=PushSubscription, dispatch_uid="dpmp-subscription-deleted")
    post_save.connect(device_changed, sender=Device, dispatch_uid="dpmp-device-saved")
    post_delete.connect(device_changed, sender=Device, dispatch_uid="dpmp-device-deleted")
    post_save.connect(device_changed, sender=DeviceScan, dispatch_uid="dpmp-device-scan")


def subscription_deleted(instance: PushSubscription, **_: Any) -> None:
    """Fires when a browser's subscription was deleted, with its person for instance: its alert target goes too."""
    for target in AlertTarget.objects.filter(pk=instance.target_id):
        target.delete()


def device_changed(using: str, **_: Any) -> None:
    """Fires when a miner that is asked was saved or deleted, or a search asked for: no configuration, but awaited."""
    transaction.on_commit(announce, using=using)


def configuration_changed(sender: type[ConfigModel], using: str, **_: Any) -> None:
    """Fires when a row of the configuration was saved or deleted; many in one transaction cause one reload."""
    ConfigRevision.bump()
    transaction.on_commit(announce, using=using)


def relation_changed(action: str, pk_set: set[int] | None, using: str, **_: Any) -> None:
    """Fires when a many-to-many relation of the configuration changed; ``pk_set`` is None where it was emptied."""
    if action == "post_clear" or (action in ("post_add", "post_remove") and pk_set):
        ConfigRevision.bump()
        transaction.on_commit(announce, using=using)
