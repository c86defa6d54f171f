"""A node keeps its name and the lease by saying that it lives, and loses them without harm."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, transaction

from proxy.config.snapshot import ConfigSnapshot
from proxy.models.nodes import NodeState, ProxyNode
from proxy.net.tasks import cancel_and_wait, spawn
from proxy.nodes import kept_config, lease_keeper, node_rows
from proxy.nodes.home import Home, HomeInUse
from proxy.nodes.lease import LEASE_S, LeaseLost
from proxy.nodes.lease_keeper import LeaseKeeper, NameInUse
from proxy.nodes.membership import JoinError, Membership
from proxy.observe.events import EventStream, NodeLeaseChanged, NodeNameTaken
from tests.nodes.cast import expire, me, silence
from tests.support.clock import VirtualClock
from tests.support.patience import PATIENCE_S
from tests.support.shares import Heard

pytestmark = pytest.mark.django_db(transaction=True)


def member(folder):
    return Membership(
        "one",
        data_dir=folder,
        clock=VirtualClock(),
        events=EventStream(),
        report=print,
        on_lease=print,
        on_drain=lambda: None,
        on_name_lost=lambda: None,
    )


class Living:
    """A keeper with what it told."""

    def __init__(self, name="one", run=None, monotonic=time.monotonic, **options):
        self.events, self.leases, self.drains, self.losses = EventStream(), [], [], []
        self.told = Heard(self.events, NodeLeaseChanged)
        self.taken = Heard(self.events, NodeNameTaken)
        self.news = asyncio.Event()
        self.keeper = LeaseKeeper(
            me(name, run, **options),
            events=self.events,
            on_lease=lambda held: self._note(self.leases, held),
            on_drain=lambda: self._note(self.drains, True),
            on_name_lost=lambda: self._note(self.losses, True),
            monotonic=monotonic,
            renew_s=0.01,
        )

    def _note(self, notes, what):
        notes.append(what)
        self.news.set()

    async def until(self, found):
        async with asyncio.timeout(PATIENCE_S):
            while not found():
                self.news.clear()
                await self.news.wait()

    @asynccontextmanager
    async def at_work(self, *, joined=True):
        if joined:
            await self.keeper.join()
        self.keeper.listens("127.0.0.1:3351")
        task = spawn(self.keeper.run(), name="node")
        try:
            yield self
        finally:
            await cancel_and_wait(task, timeout_s=PATIENCE_S)


in_database = sync_to_async


def write_with(lease):
    with transaction.atomic():
        lease.check()


@transaction.atomic
def taken_in_silence(other):
    """The name is taken at once: a living node would be heard again before."""
    silence(other.name)
    return node_rows.claim_name(other)


async def test_first_node_holds_the_lease_and_the_next_when_it_leaves():
    one, two = Living("one"), Living("two")
    async with one.at_work():
        await one.until(lambda: one.leases == [True])
        async with two.at_work():
            assert not two.keeper.lease.held
            await one.keeper.leave()
            assert not one.keeper.lease.held
            await two.until(lambda: two.leases == [True])
            assert two.keeper.lease.epoch == 2
            await two.keeper.leave()
    states = await in_database(lambda: set(ProxyNode.objects.values_list("state", flat=True)))()
    assert states == {NodeState.STOPPED}
    assert [(event.node, event.held, event.epoch) for event in one.told.all][:1] == [("one", True, 1)]


async def test_lease_of_a_killed_node_is_taken_when_it_expires_and_its_writes_are_refused():
    one, two = Living("one"), Living("two")
    async with one.at_work():
        await one.until(lambda: one.leases == [True])
    async with two.at_work():
        await in_database(expire)()
        await two.until(lambda: two.leases == [True])
        assert one.keeper.lease.held, "it stood still: its own clock says that little time has gone"
        with pytest.raises(LeaseLost):
            await in_database(write_with)(one.keeper.lease)
        assert not one.keeper.lease.held
        await in_database(write_with)(two.keeper.lease)


async def test_lease_runs_out_by_itself_while_the_database_is_away(monkeypatch):
    now = [100.0]
    one = Living("one", monotonic=lambda: now[0])
    async with one.at_work():
        await one.until(lambda: one.leases == [True])

        def away(*_, **__):
            raise OperationalError("gone")

        with monkeypatch.context() as broken:
            broken.setattr(node_rows, "say_alive", away)
            now[0] += LEASE_S
            await one.until(lambda: one.leases == [True, False])
        await one.until(lambda: one.leases == [True, False, True])


async def test_database_that_hangs_does_not_hide_that_the_lease_ran_out(monkeypatch):
    now = [100.0]
    one = Living("one", monotonic=lambda: now[0])
    async with one.at_work():
        await one.until(lambda: one.leases == [True])
        answer = asyncio.Event()

        async def hang(call):
            await answer.wait()
            return call()

        with monkeypatch.context() as broken:
            broken.setattr(lease_keeper, "in_thread", hang)
            now[0] += LEASE_S
            await one.until(lambda: one.leases == [True, False])
        answer.set()


async def test_name_of_a_living_node_is_refused_and_says_where_it_lives():
    async with Living("one", "first", host="rack-1").at_work():
        with pytest.raises(NameInUse, match=r"'one'.*rack-1.*--node"):
            await Living("one", "second", host="rack-2").keeper.join()


async def test_name_of_a_killed_node_is_taken_after_its_silence():
    async with Living("one", "first").at_work():
        pass
    second = Living("one", "second", host="elsewhere")
    joining = spawn(second.keeper.join(), name="join")
    await in_database(silence)("one")
    await joining
    assert await in_database(lambda: ProxyNode.objects.get().run)() == "second"


async def test_node_whose_name_was_taken_while_it_was_away_stops_once():
    first = Living("one", "first")
    async with first.at_work():
        await first.until(lambda: first.leases == [True])
        assert await in_database(taken_in_silence)(me("one", "second", host="rack-2")) is None
        await first.until(lambda: first.losses == [True])
        assert not first.keeper.lease.held
        await first.keeper.leave()
    assert [(event.by_host, event.by_pid) for event in first.taken.all] == [("rack-2", 7)]
    assert await in_database(lambda: ProxyNode.objects.get().run)() == "second"


async def test_node_that_started_without_the_database_joins_when_it_answers(monkeypatch):
    async with Living("one", "killed", home="here").at_work():
        pass
    one, asked = Living("one", home="here"), asyncio.Event()

    def away(*_, **__):
        loop.call_soon_threadsafe(asked.set)
        raise OperationalError("gone")

    loop = asyncio.get_running_loop()
    with monkeypatch.context() as broken:
        broken.setattr(node_rows, "claim_name", away)
        async with one.at_work(joined=False):
            await asked.wait()
            broken.undo()
            await one.until(lambda: one.leases == [True])
    assert await in_database(lambda: ProxyNode.objects.get().run)() == "one-run"


async def test_node_that_started_without_the_database_stops_when_another_has_its_name():
    async with Living("one", "first", host="rack-1").at_work() as first:
        await first.until(lambda: first.leases == [True])
        second = Living("one", "second", host="rack-2")
        async with second.at_work(joined=False):
            await second.until(lambda: second.losses == [True])
            await second.keeper.leave()
    assert [(event.by_host, event.by_pid) for event in second.taken.all] == [("rack-1", 7)]
    assert await in_database(lambda: ProxyNode.objects.get().run)() == "first"


async def test_node_whose_row_was_deleted_has_it_again():
    one = Living("one")
    async with one.at_work():
        await one.until(lambda: one.leases == [True])
        await in_database(lambda: ProxyNode.objects.all().delete())()
        await one.until(lambda: one.leases == [True, False, True])
    assert await in_database(lambda: ProxyNode.objects.get().run)() == "one-run"


async def test_node_hears_once_that_it_is_to_drain_and_leaves_the_lease_to_others():
    one = Living("one")
    async with one.at_work():
        await one.until(lambda: one.leases == [True])
        await in_database(node_rows.ask_to_drain)("one")
        await one.until(lambda: one.drains)
        one.keeper.drains()
        await one.until(lambda: one.leases == [True, False])
    assert one.drains == [True]


async def test_data_directory_has_one_node_and_keeps_its_name(tmp_path):
    home = Home(tmp_path / "data")
    with pytest.raises(HomeInUse, match="each needs a data directory of its own"):
        Home(tmp_path / "data")
    one = member(tmp_path / "data")
    with pytest.raises(JoinError, match="each needs a data directory"):
        await one.join()
    home.close()
    await one.join()
    assert await in_database(lambda: ProxyNode.objects.get().home)() == home.name
    one.close()


async def test_directory_is_free_again_after_a_name_was_refused(tmp_path):
    async with Living("one", "first").at_work():
        refused = member(tmp_path)
        with pytest.raises(JoinError, match="Another node is called 'one'"):
            await refused.join()
        refused.close()
    Home(tmp_path).close()


async def test_without_the_database_a_node_has_what_an_earlier_run_kept(tmp_path, monkeypatch):
    def away(*_, **__):
        raise OperationalError("gone")

    monkeypatch.setattr(node_rows, "claim_name", away)
    one = member(tmp_path)
    with pytest.raises(JoinError, match=r"gone\. Without it .* has not run in this data directory yet"):
        await one.join()
    assert one.start_alone() is None
    one.close()
    kept_config.keep(tmp_path, ConfigSnapshot(revision=7), 1.0)
    await one.join()
    config = one.start_alone()
    assert config is not None and config.revision == 7
    one.close()
