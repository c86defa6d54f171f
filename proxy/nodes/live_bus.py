"""Live snapshots of nodes through Redis (or Valkey): each node publishes its own, whoever shows pages reads all.

A node sets ``dpmp:live:<node>``, which expires, and says its name on the channel ``dpmp:live``. A Redis that is away
costs a line in the log and the view of the others; mining and a node's own pages do without it. Loaded only where
``DPMP_REDIS_URL`` is set.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

from redis.asyncio import Redis
from redis.asyncio import from_url as client_of
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from proxy.net.tasks import spawn
from proxy.nodes.heard_nodes import HeardNodes
from proxy.nodes.live_codec import MAX_PACKED, FrameError, decode, encode
from proxy.nodes.node_snapshot import NodeSnapshot, NodeState
from proxy.observe.events import (
    EventStream,
    NodeHeard,
    NodeSilent,
    NodeUnreadable,
    RedisTrouble,
)
from proxy.observe.live.views import LiveSnapshot
from proxy.ports import Clock

LIVE, LET_IN = "dpmp:live", "dpmp:let-in"
"""Channels; a node's key is ``LIVE:<node>``."""
EXPIRES_S = 15
"""Of a node's key: who begins to listen finds nodes that publish, and none that are long gone."""
EVERY_S = 1.0
LONGEST_PAUSE_S = 5.0
PART_OF_TIME = 0.05
"""Part of a thread's time that making or reading snapshots may take: with many thousand workers they come seldomer."""
TIMEOUT_S = 3.0
AGAIN_S = 2.0
"""After a failure."""
LAST_WORD_S = 1.0
PROBLEM_CHARS = 200
_logger = logging.getLogger(__name__)
_NAME = re.compile(rb"[a-z0-9][a-z0-9._-]{0,62}")


class BusHealth:
    """Whether Redis can be used, told once for all who use it."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self._failing: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """Why it cannot; "": it can."""
        return next(iter(self._failing.values()), "")

    def failed(self, who: str, error: BaseException) -> None:
        """``who`` could not use it."""
        was_failing = bool(self._failing)
        problem = f"{type(error).__name__}: {error}"[:PROBLEM_CHARS]
        self._failing[who] = problem
        if not was_failing:
            self._events.emit(RedisTrouble(problem=problem, recovered=False))

    def works(self, who: str) -> None:
        """``who`` could."""
        if self._failing.pop(who, None) is not None and not self._failing:
            self._events.emit(RedisTrouble(problem="it can be used again", recovered=True))


def connect(url: str) -> Redis:
    """A client that waits for no answer for longer than ``TIMEOUT_S``; it connects when it is first used."""
    client: Redis = client_of(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        health_check_interval=5,
        retry=Retry(NoBackoff(), 1),  # once: for connections that broke while nobody used them
    )
    return client


def pause_s(took: float) -> float:
    """How long to rest after ``took`` seconds of work."""
    return min(max(EVERY_S, took / PART_OF_TIME), LONGEST_PAUSE_S)


class LivePublication:
    """One node's part: publishes its newest snapshot, and hears what concerns all nodes."""

    def __init__(
        self, *, url: str, clock: Clock, events: EventStream, health: BusHealth, let_in: Callable[[str], None]
    ) -> None:
        """``let_in``: called on the loop with an address that somebody on some node's pages lets in again."""
        self._client = connect(url)
        self._clock = clock
        self._events = events
        self._health = health
        self._let_in = let_in
        self._newest: NodeSnapshot | None = None
        self._new = asyncio.Event()
        self._too_large = False

    def publish(self, node: NodeSnapshot) -> None:
        """Have ``node`` published; one that is not yet is replaced."""
        self._newest = node
        self._new.set()

    def let_in(self, address: str) -> None:
        """Let ``address`` in on all nodes, on this one at once."""
        self._let_in(address)
        spawn(self._tell(address), name="let in")

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._new.wait()
            self._new.clear()
            began = self._clock.now()
            try:
                await self._send()
            except Exception as error:  # whatever Redis or its client comes up with: mining goes on
                self._health.failed("publication", error)
            await asyncio.sleep(pause_s(self._clock.now() - began))

    async def hear(self) -> None:
        """Do what is asked of all nodes until cancelled."""
        while True:
            try:
                async with self._client.pubsub(ignore_subscribe_messages=True) as requests:
                    await requests.subscribe(LET_IN)
                    while True:
                        message = await requests.get_message(timeout=60.0)
                        if message is not None:
                            self._obey(message["data"])
            except Exception as error:  # the publication, which comes every second, tells of it
                _logger.debug("Requests of other nodes are not heard: %s", error)
            await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        """Say that this node stops, so that nobody looks for it."""
        node = self._newest
        with suppress(Exception):  # who does not hear it will notice
            if node is not None:
                last = replace(node, state=NodeState.STOPPED, live=replace(node.live, workers=(), moves={}, marks={}))
                await asyncio.wait_for(self._set(last.name, encode(last)), LAST_WORD_S)
        with suppress(Exception):
            await asyncio.wait_for(self._client.aclose(), LAST_WORD_S)

    async def _send(self) -> None:
        node = self._newest
        assert node is not None
        try:
            frame = await asyncio.to_thread(encode, node)
        except FrameError as error:
            if not self._too_large:
                self._events.emit(NodeUnreadable(node=node.name, problem=str(error)))
            self._too_large = True
            return
        self._too_large = False
        await self._set(node.name, frame)
        self._health.works("publication")

    async def _set(self, name: str, frame: bytes) -> None:
        async with self._client.pipeline(transaction=False) as both:
            both.set(f"{LIVE}:{name}", frame, ex=EXPIRES_S)
            both.publish(LIVE, name)
            await both.execute()

    async def _tell(self, address: str) -> None:
        try:
            await self._client.publish(LET_IN, address)
        except Exception as error:
            self._health.failed("publication", error)

    def _obey(self, data: object) -> None:
        try:
            address = str(ip_address(data.decode() if isinstance(data, bytes) else ""))
        except ValueError:
            return  # not of ours
        self._let_in(address)


class MergedSnapshots:
    """Reads what the nodes publish. A node with pages asks for ``snapshot``; a process of pages alone is ``shown``."""

    def __init__(
        self,
        *,
        url: str,
        clock: Clock,
        events: EventStream,
        health: BusHealth,
        own: str = "",
        version: str = "",
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """``own``: name of the node in this process, if there is one. While not ``wanted`` nothing is read."""
        self._client = connect(url)
        self._clock = clock
        self._events = events
        self._health = health
        self._wanted = wanted
        self._nodes = HeardNodes(clock, own=own, version=version)
        self._own = own
        self._named: dict[str, None] = {}
        """Names that were said on the channel and are not read yet, in their order."""

    def snapshot(self, revision: int, own: NodeSnapshot | None = None) -> LiveSnapshot:
        """All nodes as one, with ``own`` as it is now."""
        for name in self._nodes.fallen_silent():
            if not self._health.problem:
                self._events.emit(NodeSilent(node=name))
        self._nodes.trouble = self._health.problem
        return self._nodes.snapshot(revision, own)

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            if not self._wanted():
                self._nodes.forget()
                await asyncio.sleep(EVERY_S)
                continue
            try:
                await self._listen()
            except Exception as error:
                self._health.failed("reading", error)
            await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        """Let the connections go."""
        with suppress(Exception):
            await asyncio.wait_for(self._client.aclose(), LAST_WORD_S)

    async def let_in(self, address: str) -> None:
        """Let ``address`` in on all nodes."""
        try:
            await self._client.publish(LET_IN, address)
        except Exception as error:
            self._health.failed("reading", error)

    async def _listen(self) -> None:
        async with self._client.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(LIVE)
            async for key in self._client.scan_iter(match=f"{LIVE}:*", count=1000):
                self._tell(bytes(key)[len(LIVE) + 1 :])
            while self._wanted():
                began = self._clock.now()
                await self._read()
                self._health.works("reading")
                until = self._clock.now() + pause_s(self._clock.now() - began)
                while (left := until - self._clock.now()) > 0.0:
                    message = await channel.get_message(timeout=left)
                    if message is not None:
                        self._tell(message["data"])

    def _tell(self, name: object) -> None:
        if isinstance(name, bytes) and _NAME.fullmatch(name) and len(self._named) < 1000:
            self._named[name.decode()] = None

    async def _read(self) -> None:
        named, self._named = self._named, {}
        named.pop(self._own, None)
        if not named:
            await self._client.ping()
        for name in named:
            frame = await self._client.getrange(f"{LIVE}:{name}", 0, MAX_PACKED)
            if isinstance(frame, bytes) and frame:
                await self._take(name, frame)

    async def _take(self, name: str, frame: bytes) -> None:
        try:
            node = await asyncio.to_thread(decode, frame)
            if node.name != name:
                raise FrameError(f"it tells of another node, {node.name[:64]!r}")
        except FrameError as error:
            problem = str(error)[:PROBLEM_CHARS]
            if self._nodes.unreadable(name, problem):
                self._events.emit(NodeUnreadable(node=name, problem=problem))
        else:
            if self._nodes.heard(node):
                self._events.emit(NodeHeard(node=name))
