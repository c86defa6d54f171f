"""What follows from a change of the configuration: its revision counts up, and the proxy is told after the commit."""

from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from proxy.conf.reload import announce
from proxy.models import ConfigRevision
from proxy.models.base import ConfigModel


def connect() -> None:
    """Listen to all models of the configuration, and to no other: a receiver slows bulk deletes of history down."""
    for model in apps.get_models():
        if issubclass(model, ConfigModel):
            post_save.connect(configuration_changed, sender=model, dispatch_uid="dpmp-configuration-saved")
            post_delete.connect(configuration_changed, sender=model, dispatch_uid="dpmp-configuration-deleted")


def configuration_changed(sender: type[ConfigModel], using: str, **_: Any) -> None:
    """Fires when a row of the configuration was saved or deleted; many in one transaction cause one reload."""
    ConfigRevision.bump()
    transaction.on_commit(announce, using=using)
