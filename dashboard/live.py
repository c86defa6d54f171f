"""Live regions: parts of pages that follow the proxy. The same template makes the first paint and every push.

A region is rendered once per snapshot for all viewers with the same permissions and language; one whose content comes
from the database, only when that has changed; one of figures that move all the time, in the frames of open pages, every
few seconds. Pushed regions hold no forms and no tokens, so they may be shared.
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from channels.db import database_sync_to_async
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe

from dashboard.access import SEE, Access
from dashboard.redacting import account_names, hide_wallets
from dashboard.single_flight import SingleFlight
from proxy.observe.live.views import LiveSnapshot, store
from proxy.text import escape_in_page

Context = Callable[[LiveSnapshot, Access, str], Mapping[str, object]]
Version = Callable[[LiveSnapshot, str], Hashable]

MAX_REGIONS = 12
"""Most regions of one page."""
MAX_KEY = 200
KEPT_RENDERINGS = 2000
INDENTATION = re.compile(r"\s*\n\s*")
"""The templates' indentation, which is removed before HTML is sent."""


@dataclass(frozen=True, slots=True)
class Region:
    """A live part of a page: its template, its context, and the permission it needs."""

    name: str
    template: str
    context: Context
    needs: str = SEE
    version: Version | None = None
    """Returns, cheaply, what its content depends on: while the answer stays equal, so does the rendering. None: render
    with each snapshot."""
    every_s: float = 0.0
    """Open pages are sent it no more often, except for what is ``urgent``. A page that is loaded has the newest."""
    urgent: Version | None = None
    """Returns, cheaply, what nobody may see late: a change of the answer is sent at once."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """A region's HTML and a short fingerprint that tells whether it changed."""

    html: str
    digest: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What open pages were sent of a region that has a pace."""

    run: float
    """Start of the process that made the snapshot."""
    at: float
    """Time of the snapshot."""
    urgent: Hashable
    rendering: Rendering

    def holds(self, snap: LiveSnapshot, urgent: Hashable, every_s: float) -> bool:
        """Whether it will do for ``snap``."""
        recent = 0.0 <= snap.at - self.at < every_s
        return recent and (self.run, self.urgent) == (snap.started_at, urgent)


REGIONS: dict[str, Region] = {}
Place = tuple[str, frozenset[str], str]
"""Key, permissions and language: whoever has the same gets the same rendering."""


def region(
    name: str,
    needs: str = SEE,
    version: Version | None = None,
    *,
    every_s: float = 0.0,
    urgent: Version | None = None,
) -> Callable[[Context], Context]:
    """Register the function that makes a region's context; the template is ``dashboard/live/<name>.html``."""

    def register(context: Context) -> Context:
        REGIONS[name] = Region(name, f"dashboard/live/{name}.html", context, needs, version, every_s, urgent)
        return context

    return register


def snapshot() -> LiveSnapshot:
    """The newest snapshot; an empty one (revision -1) where no proxy runs in this process."""
    return store.current() or LiveSnapshot(revision=-1, at=time.time(), started_at=time.time())


def find(key: str) -> tuple[Region, str] | None:
    """The region and argument of a key such as ``split`` or ``pool:A``; None for an unknown key."""
    name, _colon, argument = key.partition(":")
    found = REGIONS.get(name)
    return (found, argument) if found and len(key) <= MAX_KEY else None


def element_id(key: str) -> str:
    """The HTML id of a region; arguments may hold any character, so they are hashed."""
    name, _colon, argument = key.partition(":")
    return f"live-{name}" + (f"-{hashlib.sha256(argument.encode()).hexdigest()[:10]}" if argument else "")


class Renderings:
    """The renderings of the newest snapshot, shared by pages, polling and WebSockets; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: LiveSnapshot | None = None
        self._known: dict[Place, Rendering] = {}
        self._kept: dict[Place, tuple[Hashable, Rendering]] = {}
        self._sent: dict[Place, Sent] = {}
        self.made = 0
        """How many renderings were made, for measurements."""

    def get(
        self, key: str, access: Access, language: str, snap: LiveSnapshot, *, at_its_pace: bool = False
    ) -> Rendering:
        """The region ``key`` as it stands in ``snap``; empty for those who may not see it.

        ``at_its_pace``: for a page that is open; what it was sent a moment ago will do where nothing urgent changed.
        """
        found = find(key)
        if found is None or found[0].needs not in access.may:
            return Rendering("", "")
        with self._lock:
            self._turn_to(snap)
            place = (key, access.may, language)
            rendering = self._known.get(place)
            if rendering is not None:
                return rendering
            region, argument = found
            urgent = region.urgent(snap, argument) if region.urgent else None
            sent = self._sent.get(place) if at_its_pace else None
            if sent and sent.holds(snap, urgent, region.every_s):
                return sent.rendering
            rendering = self._known[place] = self._current(place, *found, access, snap)
            if region.every_s:
                self._sent[place] = Sent(snap.started_at, snap.at, urgent, rendering)
            return rendering

    def _current(self, place: Place, found: Region, argument: str, access: Access, snap: LiveSnapshot) -> Rendering:
        """The previous rendering if its content has not changed; else a new one."""
        key, _may, language = place
        if found.version is None:
            return self._make(key, found, argument, access, language, snap)
        version = found.version(snap, argument)
        before = self._kept.get(place)
        if before is not None and before[0] == version:
            return before[1]
        rendering = self._make(key, found, argument, access, language, snap)
        self._kept[place] = version, rendering
        return rendering

    def _turn_to(self, snap: LiveSnapshot) -> None:
        if self._of is not snap or len(self._known) > KEPT_RENDERINGS:
            self._of, self._known = snap, {}
        if len(self._kept) > KEPT_RENDERINGS:
            self._kept = {}
        if len(self._sent) > KEPT_RENDERINGS:
            self._sent = {}

    def _make(
        self, key: str, found: Region, argument: str, access: Access, language: str, snap: LiveSnapshot
    ) -> Rendering:
        self.made += 1
        with translation.override(language):
            body = render_to_string(
                found.template,
                {"snap": snap, "access": access, "argument": argument, **found.context(snap, access, argument)},
            ).strip()
        body = escape_in_page(INDENTATION.sub(" ", body))
        if not access.wallets:
            body = hide_wallets(body, account_names())
        html = f'<div id="{element_id(key)}" class="region" hx-swap-oob="morph">{body}</div>'
        return Rendering(html, hashlib.sha256(body.encode()).hexdigest()[:16])


renderings = Renderings()


def language_of(named: str) -> str:
    """The language that a page names, so that what it gets later is in no other; the reader's where it names none.

    A cookie set in another window, or a browser that sends no preference with a WebSocket, must not change a page.
    """
    try:
        return translation.get_supported_language_variant(named)
    except LookupError:
        return translation.get_language() or settings.LANGUAGE_CODE


def first_paint(key: str, access: Access, language: str) -> SafeString:
    """A region for a page that is being rendered."""
    html = renderings.get(key, access, language, snapshot()).html
    return mark_safe(html.replace(' hx-swap-oob="morph"', "", 1))


@dataclass(frozen=True, slots=True)
class Frame:
    """Some regions at one snapshot."""

    revision: int
    parts: tuple[tuple[str, Rendering], ...]

    def html(self, known: Mapping[str, str]) -> str:
        """The regions that differ from the fingerprints in ``known``, and the beat that shows that the page is live."""
        changed = [part.html for key, part in self.parts if part.html and known.get(key) != part.digest]
        return "".join([*changed, f'<data id="live-beat" hx-swap-oob="outerHTML" value="{self.revision}"></data>'])

    def digests(self) -> dict[str, str]:
        """The fingerprints of its regions."""
        return {key: part.digest for key, part in self.parts}


class Frames:
    """Frames for WebSockets: viewers of the same page with the same permissions share one rendering in a thread."""

    def __init__(self) -> None:
        self._flights: SingleFlight[Frame] = SingleFlight()

    async def get(self, keys: tuple[str, ...], access: Access, language: str) -> Frame:
        """The regions ``keys`` at the newest snapshot."""
        snap = snapshot()

        async def make() -> Frame:
            return await database_sync_to_async(make_frame)(keys, access, language, snap)

        return await self._flights.get((snap.started_at, snap.revision), (keys, access.may, language), make)


def make_frame(keys: tuple[str, ...], access: Access, language: str, snap: LiveSnapshot) -> Frame:
    """Render what is missing; blocks, so call it in a thread."""
    parts = ((key, renderings.get(key, access, language, snap, at_its_pace=True)) for key in keys)
    return Frame(snap.revision, tuple(parts))


frames = Frames()
