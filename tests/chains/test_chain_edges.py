"""What the observer of chains does with a job that changes little, and with an end that nobody expected."""

import pytest

from proxy.chains.chain_observer import ChainObserver
from proxy.observe.events import EventStream, PoolDisconnected
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import ConnectionId, PoolKey
from tests.support.shares import A, notify


def block(number: int) -> bytes:
    return bytes([number]) * 32


@pytest.fixture
def scene():
    clock, events = VirtualClock(), EventStream()
    return events, ChainObserver(clock=clock, events=events)


def test_a_target_that_changes_on_the_same_block_is_taken_over(scene):
    events, chain = scene
    events.emit(notify(A, block(1), connection=1))
    events.emit(notify(A, block(1), connection=1, nbits=0x1C00FFFF))
    assert chain._chains[chain._of_pool[A]].pools[A].tip.nbits == 0x1C00FFFF


def test_the_end_of_a_connection_that_never_brought_a_job_changes_nothing(scene):
    events, chain = scene
    events.emit(notify(A, block(1), connection=1))
    events.emit(PoolDisconnected(pool=A, connection=ConnectionId(9), reason="gone", wanted=False))
    events.emit(PoolDisconnected(pool=PoolKey("Z"), connection=ConnectionId(8), reason="gone", wanted=False))
    assert chain.pool(A) is not None
