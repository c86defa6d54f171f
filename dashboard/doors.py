"""Whether the people behind open WebSockets are still let in: asked at each push, for all of them at once.

One check serves all viewers of a tick, with a fixed number of queries, so that fifty viewers cost what one costs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from channels.db import database_sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from dashboard.access import ADMINISTER, BY_LINK, LINK_KEY, LOGS, NOBODY, SEE, STEER, WALLETS, Access
from dashboard.models import ReadOnlyLink
from dashboard.shared import Shared


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who stands behind a WebSocket, as its session said when it was opened."""

    session_key: str
    user_id: int | None
    auth_hash: str
    """Changes with the password, so a changed password ends other sessions."""
    link_id: int | None


def visitor_of(session: SessionBase) -> Visitor:
    """Read the session; blocks on the database."""
    user_id = session.get(SESSION_KEY)
    return Visitor(session.session_key or "", int(user_id) if user_id else None,
                   session.get(HASH_SESSION_KEY, ""), session.get(LINK_KEY))


def check(visitors: Iterable[Visitor]) -> dict[Visitor, Access]:
    """What each visitor may now; ``NOBODY`` for those whose session, account, password or link is gone."""
    visitors = set(visitors)
    alive = set(Session.objects.filter(session_key__in={visitor.session_key for visitor in visitors},
                                       expire_date__gt=timezone.now()).values_list("session_key", flat=True))
    people = _people({visitor.user_id for visitor in visitors if visitor.user_id is not None})
    wanted_links = {visitor.link_id for visitor in visitors if visitor.user_id is None and visitor.link_id is not None}
    links = set(ReadOnlyLink.objects.filter(pk__in=wanted_links, revoked_at__isnull=True)
                .values_list("pk", flat=True)) if wanted_links else set()
    return {visitor: _verdict(visitor, alive, people, links) for visitor in visitors}


def _verdict(visitor: Visitor, alive: set[str], people: dict[int, tuple[str, Access]], links: set[int]) -> Access:
    if visitor.session_key not in alive:
        return NOBODY
    if visitor.user_id is None:
        return BY_LINK if visitor.link_id in links else NOBODY
    auth_hash, access = people.get(visitor.user_id, ("", NOBODY))
    return access if auth_hash and constant_time_compare(auth_hash, visitor.auth_hash) else NOBODY


def _people(ids: set[int]) -> dict[int, tuple[str, Access]]:
    if not ids:
        return {}
    found = get_user_model().objects.filter(pk__in=ids, is_active=True).prefetch_related(
        "user_permissions__content_type", "groups__permissions__content_type")
    return {person.pk: (person.get_session_auth_hash(), _access(person)) for person in found}


def _access(person: object) -> Access:
    """As ``access.of_user``, from what was fetched for all at once."""
    names = {SEE, LOGS, STEER, ADMINISTER}
    if not person.is_superuser:  # type: ignore[attr-defined]
        granted = [*person.user_permissions.all(),  # type: ignore[attr-defined]
                   *(one for group in person.groups.all() for one in group.permissions.all())]  # type: ignore[attr-defined]
        names &= {one.codename for one in granted if one.content_type.app_label == "dashboard"}
    return Access(frozenset({*names, WALLETS})) if SEE in names else NOBODY


class Doors:
    """The visitors that are in, and the answers to the newest check."""

    def __init__(self) -> None:
        self._inside: dict[int, Visitor] = {}
        self._shared: Shared[dict[Visitor, Access]] = Shared()

    def enter(self, ticket: int, visitor: Visitor) -> None:
        """Remember a visitor under ``ticket``."""
        self._inside[ticket] = visitor

    def leave(self, ticket: int) -> None:
        """Forget the visitor."""
        self._inside.pop(ticket, None)

    async def access(self, visitor: Visitor, revision: int) -> Access:
        """What ``visitor`` may at the tick ``revision``; asked once per tick for all who are in."""
        answers = await self._shared.get(revision, "all", self._ask)
        if visitor not in answers:  # came in after this tick's check
            return (await database_sync_to_async(check)([visitor]))[visitor]
        return answers[visitor]

    async def _ask(self) -> dict[Visitor, Access]:
        return await database_sync_to_async(check)(tuple(self._inside.values()))


doors = Doors()
