"""From a saved row to the engine's door: the watcher on the real database."""

import asyncio
from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async

from proxy.config import loader
from proxy.config.snapshot import ConfigSnapshot
from proxy.config.watcher import ConfigWatcher
from proxy.models import ConfigRevision, Pool, WeightOverride
from tests.config.rows import make_pool, make_schedule
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def never(wake: asyncio.Event, seconds: float) -> None:
    """No polling: only a notice wakes the watcher."""
    await wake.wait()


@pytest.mark.no_cover
async def test_a_saved_change_arrives_a_broken_one_is_refused_for_all_to_see() -> None:
    applied: list[ConfigSnapshot] = []
    refused: list[tuple[str, ...]] = []
    troubles: list[Exception | None] = []
    in_database = sync_to_async
    await in_database(lambda: make_schedule({make_pool("A"): 1}))()
    watcher = ConfigWatcher(
        loader,
        on_snapshot=applied.append,
        on_refused=lambda found: refused.append(tuple(found)),
        on_trouble=troubles.append,
        pause=never,
    )
    task = asyncio.get_running_loop().create_task(watcher.run())
    try:
        await until(lambda: bool(applied))
        assert applied[-1].pools.keys() == {"A"}
        await in_database(lambda: WeightOverride.put(by="ann", weights={"A": 3}))()
        await until(lambda: applied[-1].override is not None)
        await in_database(lambda: Pool.objects.get().endpoints.get().delete())()
        await until(lambda: bool(refused))
        assert refused == [("Pool A has no address to connect to.",)]
        assert troubles == [] and applied[-1].pools["A"].endpoints, "the old one goes on"
        await until_noted()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_noted() -> None:
    """The refusal is in the database, for the pages of any process."""
    async with asyncio.timeout(PATIENCE_S):
        while not (row := await ConfigRevision.objects.aget()).problems:
            await asyncio.sleep(0.005)
    assert row.problems == ["Pool A has no address to connect to."]
    assert row.refused_revision == row.number and row.applied_revision is not None
    assert row.applied_revision < row.number
