"""Each of several nodes finds its own state again, and only one of them goes on from that of a proxy that was alone."""

import pytest

from proxy.history.state_saver import StateSaver
from proxy.models.state import SchedulerState
from proxy.observe.events import EventStream

pytestmark = pytest.mark.django_db(transaction=True)


class Part:
    """A scheduler or a split meter: something to save, and what it was given back."""

    def __init__(self, state=None):
        self.state, self.restored = state or {}, None

    def dump(self):
        return self.state

    def restore(self, state, *, same_books=True):
        self.restored = state


def saver(node, **state):
    scheduler = Part(state)
    return scheduler, StateSaver(EventStream(), scheduler, Part({"of": node}), node)


async def found_by(node):
    scheduler, memory = saver(node)
    await memory.restore()
    return scheduler.restored


async def test_each_node_finds_its_own_state():
    for node in ("", "one", "two"):
        await saver(node, ledger=node or "alone")[1].close()
    assert await found_by("one") == {"ledger": "one"}
    assert await found_by("two") == {"ledger": "two"}
    assert await found_by("") == {"ledger": "alone"}


async def test_one_node_goes_on_from_the_proxy_that_was_alone_and_no_other():
    await saver("", ledger="alone")[1].close()
    assert await found_by("one") == {"ledger": "alone"}
    assert await found_by("two") is None
    assert await found_by("one") == {"ledger": "alone"}
    assert await SchedulerState.objects.acount() == 1
