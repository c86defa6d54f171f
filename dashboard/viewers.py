"""Checks at each push, for all viewers at once, whether those with open WebSockets are still allowed in.

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
from dashboard.single_flight import SingleFlight


@dataclass(frozen=True, slots=True)
class Viewer:
    """The viewer behind a WebSocket, as of its session when it was opened."""

    session_key: str
    user_id: int | None
    auth_hash: str
    """Changes with the password, so a changed password ends other sessions."""
    link_id: int | None


def viewer_of(session: SessionBase) -> Viewer:
    """Read the session; blocks on the database."""
    user_id = session.get(SESSION_KEY)
    return Viewer(
        session.session_key or "",
        int(user_id) if user_id else None,
        session.get(HASH_SESSION_KEY, ""),
        session.get(LINK_KEY),
    )


def check(viewers: Iterable[Viewer]) -> dict[Viewer, Access]:
    """What each viewer may now; ``NOBODY`` for those whose session, account, password or link is gone."""
    viewers = set(viewers)
    alive = set(
        Session.objects.filter(
            session_key__in={viewer.session_key for viewer in viewers}, expire_date__gt=timezone.now()
        ).values_list("session_key", flat=True)
    )
    people = _people({viewer.user_id for viewer in viewers if viewer.user_id is not None})
    wanted_links = {viewer.link_id for viewer in viewers if viewer.user_id is None and viewer.link_id is not None}
    links = (
        set(ReadOnlyLink.objects.filter(pk__in=wanted_links, revoked_at__isnull=True).values_list("pk", flat=True))
        if wanted_links
        else set()
    )
    return {viewer: _verdict(viewer, alive, people, links) for viewer in viewers}


def _verdict(viewer: Viewer, alive: set[str], people: dict[int, tuple[str, Access]], links: set[int]) -> Access:
    if viewer.session_key not in alive:
        return NOBODY
    if viewer.user_id is None:
        return BY_LINK if viewer.link_id in links else NOBODY
    auth_hash, access = people.get(viewer.user_id, ("", NOBODY))
    return access if auth_hash and constant_time_compare(auth_hash, viewer.auth_hash) else NOBODY


def _people(ids: set[int]) -> dict[int, tuple[str, Access]]:
    if not ids:
        return {}
    found = (
        get_user_model()
        .objects.filter(pk__in=ids, is_active=True)
        .prefetch_related("user_permissions__content_type", "groups__permissions__content_type")
    )
    return {person.pk: (person.get_session_auth_hash(), _access(person)) for person in found}


def _access(person: object) -> Access:
    """As ``access.of_user``, from what was fetched for all at once."""
    names = {SEE, LOGS, STEER, ADMINISTER}
    if not person.is_superuser:  # type: ignore[attr-defined]
        granted = [
            *person.user_permissions.all(),  # type: ignore[attr-defined]
            *(one for group in person.groups.all() for one in group.permissions.all()),  # type: ignore[attr-defined]
        ]
        names &= {one.codename for one in granted if one.content_type.app_label == "dashboard"}
    return Access(frozenset({*names, WALLETS})) if SEE in names else NOBODY


class ViewerAccess:
    """The viewers that are connected, and the answers to the newest check."""

    def __init__(self) -> None:
        self._viewers: dict[int, Viewer] = {}
        self._flights: SingleFlight[dict[Viewer, Access]] = SingleFlight()

    def add(self, viewer_id: int, viewer: Viewer) -> None:
        """Remember a viewer under ``viewer_id``."""
        self._viewers[viewer_id] = viewer

    def remove(self, viewer_id: int) -> None:
        """Forget the viewer."""
        self._viewers.pop(viewer_id, None)

    async def access(self, viewer: Viewer, revision: int) -> Access:
        """What ``viewer`` may at the tick ``revision``; determined once per tick for all who are connected."""
        answers = await self._flights.get(revision, "all", self._ask)
        if viewer not in answers:  # came in after this tick's check
            return (await database_sync_to_async(check)([viewer]))[viewer]
        return answers[viewer]

    async def _ask(self) -> dict[Viewer, Access]:
        return await database_sync_to_async(check)(tuple(self._viewers.values()))


viewer_access = ViewerAccess()
