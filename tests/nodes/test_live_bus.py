"""Nodes through a real Redis: heard, silent, unreadable, and a Redis that goes away and comes back."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from proxy.net.clock import LoopClock
from proxy.net.tasks import cancel_and_wait, spawn
from proxy.nodes.live_bus import LIVE, BusHealth, LivePublication, MergedSnapshots, connect
from proxy.nodes.live_codec import encode
from proxy.observe.events import EventStream, NodeHeard, NodeUnreadable, RedisTrouble
from tests.support.node_snapshots import a_node, a_worker
from tests.support.patience import PATIENCE_S
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = needs_redis


class Place:
    """One process, as far as the bus goes."""

    def __init__(self, url, own=""):
        self.events, self.url, self.let_in = EventStream(), url, []
        self.told = []
        for kind in (NodeHeard, NodeUnreadable, RedisTrouble):
            self.events.subscribe(kind, self.told.append)
        clock, health = LoopClock(asyncio.get_running_loop()), BusHealth(self.events)
        parts = {"url": url, "clock": clock, "events": self.events, "health": health}
        self.publication = LivePublication(**parts, let_in=self.let_in.append)
        self.others = MergedSnapshots(**parts, own=own)
        self.failed = []

    @asynccontextmanager
    async def running(self, *works):
        tasks = [spawn(work, name="part", report=lambda name, error: self.failed.append(error)) for work in works]
        try:
            yield
        finally:
            await cancel_and_wait(*tasks, timeout_s=PATIENCE_S)
            await self.publication.close()
            await self.others.close()
            assert not self.failed


@pytest.fixture
async def server(tmp_path):
    server = RedisServer(tmp_path)
    await server.start()
    yield server
    server.stop()


async def until(fact):
    async with asyncio.timeout(PATIENCE_S):
        while not (found := fact()):
            await asyncio.sleep(0.02)
    return found


def states(place, **own):
    return {view.name: view.state for view in place.others.snapshot(1, **own).nodes}


async def test_what_a_node_publishes_is_shown_elsewhere(server):
    node, pages = Place(server.url), Place(server.url)
    async with node.running(node.publication.run()), pages.running(pages.others.run()):
        node.publication.publish(a_node("a", a_worker("w", "a", rate=5.0)))
        await until(lambda: states(pages) == {"a": "working"})
        assert [worker.name for worker in pages.others.snapshot(1).workers] == ["w"]
        node.publication.publish(a_node("a", a_worker("v", "a"), revision=2))
        await until(lambda: [worker.name for worker in pages.others.snapshot(1).workers] == ["v"])
    assert [event.node for event in pages.told] == ["a"]


async def test_who_comes_later_finds_nodes_that_have_published(server):
    node, pages = Place(server.url), Place(server.url)
    async with node.running(node.publication.run()):
        node.publication.publish(a_node("a"))
        client = connect(server.url)
        async with asyncio.timeout(PATIENCE_S):
            while not await client.exists(f"{LIVE}:a"):
                await asyncio.sleep(0.02)
        assert 0 < await client.ttl(f"{LIVE}:a") <= 15
        await client.aclose()
        async with pages.running(pages.others.run()):
            await until(lambda: states(pages) == {"a": "working"})


async def test_a_node_that_stops_says_so(server):
    node, pages = Place(server.url), Place(server.url)
    async with pages.running(pages.others.run()):
        async with node.running(node.publication.run()):
            node.publication.publish(a_node("a"))
            await until(lambda: states(pages))
        await until(lambda: not states(pages))
        assert pages.others.snapshot(1).alarms == ()


@pytest.mark.parametrize(
    "junk", [b"", b"junk", encode(a_node("other")), b"\xff" * 100_000], ids=["nothing", "text", "another's", "bytes"]
)
async def test_junk_in_redis_costs_one_line_and_nothing_else(server, junk):
    pages, client = Place(server.url), connect(server.url)
    async with pages.running(pages.others.run()):
        for _ in range(2):
            await client.set(f"{LIVE}:a", junk)
            await client.set(f"{LIVE}:b", encode(a_node("b")))
            for name in (b"a", b"b", b"Not a name", b"\xff\xfe", b"", b"x" * 64):
                await client.publish(LIVE, name)
            await until(lambda: states(pages).get("b"))
        await until(lambda: states(pages) == ({"a": "unreadable", "b": "working"} if junk else {"b": "working"}))
    await client.aclose()
    assert [event.node for event in pages.told if isinstance(event, NodeUnreadable)] == (["a"] if junk else [])


async def test_a_key_of_another_kind_is_a_line_in_the_log_and_no_end(server):
    pages, client = Place(server.url), connect(server.url)
    await client.lpush(f"{LIVE}:a", "x")
    async with pages.running(pages.others.run()):
        await until(lambda: [event for event in pages.told if isinstance(event, RedisTrouble)])
        await client.delete(f"{LIVE}:a")
        await until(lambda: [event.recovered for event in pages.told] == [False, True])
    await client.aclose()


async def test_redis_goes_away_and_comes_back(server):
    node, pages = Place(server.url), Place(server.url, own="own")
    async with node.running(node.publication.run(), node.publication.hear()), pages.running(pages.others.run()):
        node.publication.publish(a_node("a"))
        await until(lambda: states(pages, own=a_node("own")) == {"a": "working", "own": "working"})
        server.stop()
        node.publication.publish(a_node("a", revision=2))
        await until(lambda: pages.others.snapshot(1, a_node("own")).alarms)
        await until(lambda: node.told)
        assert "Redis cannot be used" in pages.others.snapshot(1, a_node("own")).alarms[0].text
        await server.start()
        for revision in range(3, 1000):
            node.publication.publish(a_node("a", a_worker("w", "a"), revision=revision))
            if pages.others.snapshot(1, a_node("own")).workers:
                break
            await asyncio.sleep(0.05)
        await until(lambda: not pages.others.snapshot(1, a_node("own")).alarms)
        await until(lambda: [event.recovered for event in node.told] == [False, True])
    assert [event.recovered for event in pages.told if isinstance(event, RedisTrouble)] == [False, True]


async def test_an_address_is_let_in_on_all_nodes(server):
    one, other, client = Place(server.url), Place(server.url), connect(server.url)
    async with one.running(one.publication.hear()), other.running(other.publication.hear()):
        async with asyncio.timeout(PATIENCE_S):
            while (await client.pubsub_numsub("dpmp:let-in"))[0][1] < 2:
                await asyncio.sleep(0.02)
        await client.publish("dpmp:let-in", b"\xff no address")
        one.publication.let_in("10.0.0.9")
        assert one.let_in == ["10.0.0.9"]
        await until(lambda: other.let_in == ["10.0.0.9"])
        await pages_let_in(server.url, "10.0.0.8")
        await until(lambda: "10.0.0.8" in one.let_in and "10.0.0.8" in other.let_in)
    await client.aclose()


async def pages_let_in(url, address):
    pages = Place(url)
    await pages.others.let_in(address)
    await pages.others.close()


async def test_while_others_are_not_wanted_nothing_is_known_of_them(server):
    wanted = True
    pages, client = Place(server.url), connect(server.url)
    pages.others._wanted = lambda: wanted
    async with pages.running(pages.others.run()):
        await client.set(f"{LIVE}:a", encode(a_node("a")))
        await client.publish(LIVE, "a")
        await until(lambda: states(pages))
        wanted = False
        await until(lambda: not states(pages))
    await client.aclose()


async def test_one_that_is_too_large_is_told_once(server, monkeypatch):
    monkeypatch.setattr("proxy.nodes.live_codec.MAX_PACKED", 10)
    monkeypatch.setattr("proxy.nodes.live_bus.EVERY_S", 0.01)
    node = Place(server.url)
    async with node.running(node.publication.run()):
        for revision in range(3):
            node.publication.publish(a_node("a", revision=revision))
            await until(lambda: not node.publication._new.is_set())
        await until(lambda: node.told)
    assert [event.node for event in node.told] == ["a"]
