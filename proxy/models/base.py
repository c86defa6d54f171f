"""Base classes of the configuration's tables."""

from typing import Any, Self

from django.db import models, transaction

PRUNE_EVERY = 100


class ConfigModel(models.Model):
    """A row that the proxy's configuration is made of.

    ``proxy.signals`` counts the configuration's revision up with every save and delete of a subclass, in the same
    transaction. So save and delete rows one by one: the proxy would not notice ``QuerySet.update``.
    """

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Check the rules and save, in one transaction with the revision."""
        with transaction.atomic():
            self.check_rules()
            super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete in one transaction with the revision."""
        with transaction.atomic():
            return super().delete(*args, **kwargs)

    def check_rules(self) -> None:
        """Refuse what a database constraint cannot express (a checksum, a rule over two tables).

        Raises:
            ValidationError: with sentences for the person, keyed by field.
        """

    def clean(self) -> None:
        """Report violations in the form; a save without a form checks the same rules."""
        super().clean()
        self.check_rules()


def keep_newest(added: models.Model, most: int) -> None:
    """Delete rows older than the newest ``most`` before ``added``; done with each ``PRUNE_EVERY``th row only."""
    if added.pk % PRUNE_EVERY == 0:
        type(added)._default_manager.filter(pk__lte=added.pk - most).delete()


class OneRow(models.Model):
    """A table of a single row, with primary key 1. A check constraint enforces it."""

    class Meta:
        abstract = True

    @classmethod
    def load(cls) -> Self:
        """The one row; unsaved with the defaults where there is none yet."""
        return cls._default_manager.filter(pk=1).first() or cls(pk=1)


class SingleRow(OneRow, ConfigModel):
    """Settings in a single row."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save as the only row (primary key 1)."""
        self.pk = self.pk or 1
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """A new form edits the same row."""
        self.pk = self.pk or 1
        super().clean()
