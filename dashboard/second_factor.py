"""Whether administrators need a second factor, and who of them has none yet."""

from collections.abc import Collection

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AbstractUser, AnonymousUser

from dashboard.models import LoginRules

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""Recovery codes are none: they come with one of these."""
CHANGED_BY = (Authenticator, LoginRules)
"""The tables that the answers follow from."""


def is_administrator(user: AbstractUser | AnonymousUser) -> bool:
    """Whether the rule is about this person: who may administer, or open the admin."""
    return user.is_staff or user.has_perm("dashboard.administer")


def lacks_second_factor(user: AbstractUser | AnonymousUser) -> bool:
    """Whether this person has to set up a second factor before anything else."""
    return user.is_authenticated and is_administrator(user) and bool(lacking_among([user.pk]))


def has_second_factor(user: AbstractUser) -> bool:
    """Whether this person has one, demanded or not."""
    return Authenticator.objects.filter(user=user, type__in=FACTORS).exists()


def lacking_among(ids: Collection[int]) -> set[int]:
    """Those without a second factor, where administrators need one; nobody where they do not."""
    if not ids or not LoginRules.objects.filter(administrators_need_second_factor=True).exists():
        return set()
    return set(ids) - set(Authenticator.objects.filter(user__in=ids, type__in=FACTORS).values_list("user", flat=True))


def remove_second_factors(user: AbstractUser) -> int:
    """Remove the app, the passkeys and the recovery codes of a person who lost them; how many there were."""
    removed, _kinds = Authenticator.objects.filter(user_id=user.pk).delete()
    return removed
