"""Who calls: the token in ``Authorization: Bearer``, its person, and what both may."""

import re
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from dashboard.access import NOBODY, Access, of_token
from dashboard.models import ApiToken, hash_of

USE_NOTED_S = 60.0
"""How exactly the time of the last use is kept: each note is a write to the database."""
_BEARER = re.compile(rf"(?i:bearer) +({ApiToken.PREFIX}[A-Za-z0-9_-]{{43}}) *\Z")
MAX_HEADER = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """A token that works, and what it may now."""

    token: ApiToken
    access: Access

    @property
    def user(self) -> User:
        """The person in whose name it acts."""
        return self.token.user

    def get_username(self) -> str:
        """The name under which changes are kept: the person's, and which token it was."""
        return f"{self.user.get_username()[:60]} ({self.token.label})"


def hash_in(header: str) -> str | None:
    """The hash of the token in an Authorization header; None where there is none that could be one of ours."""
    found = _BEARER.match(header) if len(header) <= MAX_HEADER else None
    return hash_of(found[1]) if found else None


def caller_of(header: str, address: str) -> Caller | None:
    """The caller behind an Authorization header; None without a token that works. Blocks on the database."""
    digest = hash_in(header)
    if digest is None:
        return None
    token = ApiToken.objects.filter(token_hash=digest).select_related("user").first()
    access = of_token(token) if token is not None else NOBODY
    if token is None or access == NOBODY:
        return None
    _note_use(token, address)
    return Caller(token, access)


def _note_use(token: ApiToken, address: str) -> None:
    now = timezone.now()
    old = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - timedelta(seconds=USE_NOTED_S))
    if token.last_used_at is None or now - token.last_used_at > timedelta(seconds=USE_NOTED_S):
        ApiToken.objects.filter(old, pk=token.pk).update(last_used_at=now, last_used_from=address[:45])


def hashes_of_live_tokens() -> frozenset[str]:
    """Of all that are neither revoked nor expired. Blocks on the database."""
    return frozenset(ApiToken.objects.filter(ApiToken.lives()).values_list("token_hash", flat=True))
