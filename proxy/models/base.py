"""What all rows of the configuration have in common."""

from typing import Any, Self

from django.db import models, transaction


class ConfigModel(models.Model):
    """A row that the proxy's configuration is made of.

    ``proxy.signals`` counts the configuration's revision up with every save and delete of a subclass, in the same
    transaction. So save and delete rows one by one: ``QuerySet.update`` would pass the proxy by unnoticed.
    """

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save by the rules, in one transaction with the revision."""
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
        """Tell the person; the same rules hold for a save without a form."""
        super().clean()
        self.check_rules()


class SingleRow(ConfigModel):
    """Settings in a single row. A check constraint enforces it."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save as the only row (primary key 1)."""
        self.pk = self.pk or 1
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """A new form is about the one row, too."""
        self.pk = self.pk or 1
        super().clean()

    @classmethod
    def load(cls) -> Self:
        """The one row; unsaved with the defaults where there is none yet."""
        return cls._default_manager.filter(pk=1).first() or cls(pk=1)
