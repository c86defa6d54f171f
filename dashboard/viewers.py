"""Checks at each push, for all viewers at once, whether those with open WebSockets are still allowed in.

One check serves all viewers of a tick, with a fixed number of queries, so that fifty viewers cost what one costs. Its
answers hold until a session, a person, a right or a link changes in this process, and no longer than ``HOLDS_S``, for
what other processes change and for sessions that expire.
"""

import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass

from channels.db import database_sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from dashboard.access import ADMINISTER, BY_LINK, LINK_KEY, LOGS, NOBODY, SEE, STEER, WALLETS, Access
from dashboard.models import ReadOnlyLink
from dashboard.second_factor import CHANGED_BY, lacking_among
from dashboard.single_flight import SingleFlight

ALL = {SEE, LOGS, STEER, ADMINISTER}
HOLDS_S = 5.0
"""How long a check's answers hold at most."""


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
    found = get_user_model().objects.filter(pk__in=ids, is_active=True).only("password", "is_superuser", "is_staff")
    granted, lacking, answers = _granted(ids), lacking_among(ids), {}
    for person in found:
        names = ALL if person.is_superuser else granted[person.pk]
        waits = person.pk in lacking and (person.is_staff or ADMINISTER in names)
        answers[person.pk] = (person.get_session_auth_hash(), NOBODY if waits else _access(names))
    return answers


def _granted(ids: set[int]) -> dict[int, set[str]]:
    """The dashboard's permissions of each person, their own and those of their groups."""
    ours = Permission.objects.filter(content_type__app_label="dashboard", codename__in=ALL)
    granted: dict[int, set[str]] = {pk: set() for pk in ids}
    for holder in ("user", "group__user"):
        for pk, name in ours.filter(**{f"{holder}__in": ids}).values_list(holder, "codename"):
            granted[pk].add(name)
    return granted


def _access(names: set[str]) -> Access:
    """As ``access.of_user``, from what was fetched for all at once."""
    return Access(frozenset({*names, WALLETS})) if SEE in names else NOBODY


_changes = itertools.count(1)
_changed = 0
"""Number of the last change of a session, a person, a right or a link."""


def watch() -> None:
    """Hear of such changes, once they are committed."""
    person = get_user_model()
    for model in (Session, person, Group, ReadOnlyLink, *CHANGED_BY):
        for signal in (post_save, post_delete):
            signal.connect(_heard, sender=model, dispatch_uid=f"dashboard.viewers.{model.__name__}")
    for through in (person.groups.through, person.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(_heard, sender=through, dispatch_uid=f"dashboard.viewers.{through.__name__}")


def _heard(using: str, **_: object) -> None:
    transaction.on_commit(_note_change, using=using)


def _note_change() -> None:
    global _changed
    _changed = next(_changes)


class ViewerAccess:
    """The viewers that are connected, and the answers to the newest check."""

    def __init__(self) -> None:
        self._viewers: dict[int, Viewer] = {}
        self._flights: SingleFlight[dict[Viewer, Access]] = SingleFlight()
        self._answers: dict[Viewer, Access] = {}
        self._until, self._as_of = 0.0, 0
        """When the answers end (monotonic), and the last change that they know of."""

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
        viewers, now = set(self._viewers.values()), time.monotonic()
        if now >= self._until or self._as_of != _changed or not viewers <= self._answers.keys():
            as_of = _changed
            self._answers = await database_sync_to_async(check)(viewers)
            self._until, self._as_of = now + HOLDS_S, as_of
        return self._answers


viewer_access = ViewerAccess()
