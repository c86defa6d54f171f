"""Runs auto-balance: polls the sources in order, stores observed blocks and passes the weights on."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections, transaction

from proxy.balance.auto_balance import AutoBalance, Weights, source_names
from proxy.balance.balance_view import BalanceState
from proxy.balance.observed import KEPT_BLOCKS, ObservedBlock
from proxy.balance.observed import SOURCE as OBSERVED
from proxy.balance.readings import NetworkReading
from proxy.balance.sources import Question, fetch
from proxy.config.snapshot import BalanceConfig, BalanceSourceConfig, ConfigSnapshot
from proxy.history.locks import AT_THE_END_S, wait_at_most
from proxy.models.balance import BalanceMemory, ChainBlock
from proxy.net.http_client import ClientWhenNeeded, HttpFetcher, HttpLimits, SourceError, authorities, make_client
from proxy.nodes.lease import Lease, LeaseLost, OwnLease
from proxy.ports import Clock
from proxy.types import Chain

if TYPE_CHECKING:
    import httpx

FIRST_POLL_S = 60.0
MAX_BACKOFF = 8
FOLLOW_S = 1.0
"""How often a node that does not decide looks at what the one that does has decided."""
FOLLOWED_FOR_S = 3600.0
"""What was decided longer ago is not followed by a node that starts; ``AutoBalance.restore`` has the same limit."""
DUE_TOGETHER_S = 30.0
"""Sources due within this time are asked in one poll, so that a failure counts only after the next source was asked."""

_logger = logging.getLogger(__name__)
Result = TypeVar("Result")


@dataclass(slots=True)
class _Due:
    """When a source is asked next, in monotonic seconds, and how often it failed in a row."""

    at: float
    failures: int = 0


def observed_block(row: ChainBlock) -> ObservedBlock:
    """A stored block of a known chain."""
    return ObservedBlock(
        chain=Chain(row.chain),
        height=row.height,
        announced_at=row.announced_at,
        difficulty=row.difficulty,
        prevhash=bytes.fromhex(row.prevhash),
        reward=row.reward,
    )


class BalanceStore:
    """Observed blocks and last weights in the database. Blocking."""

    def load(self) -> list[ObservedBlock]:
        """All stored blocks of known chains."""
        known = {chain.value for chain in KEPT_BLOCKS}
        return [observed_block(row) for row in ChainBlock.objects.all() if row.chain in known]

    def load_parts(self) -> tuple[dict[Chain, float], float]:
        """The last parts, and their time (unix seconds)."""
        row = BalanceMemory.objects.filter(pk=1).first()
        if row is None or not isinstance(row.parts, dict):
            return {}, 0.0
        known = {chain.value: chain for chain in KEPT_BLOCKS}
        return {
            known[name]: float(part)
            for name, part in row.parts.items()
            if name in known and isinstance(part, int | float)
        }, row.at

    @transaction.atomic
    def save(
        self,
        blocks: Sequence[ObservedBlock],
        void: set[Chain],
        parts: dict[Chain, float] | None,
        at: float,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Store new blocks and the parts; delete void histories and old blocks. What ``check`` raises prevents it."""
        check()
        if void:
            ChainBlock.objects.filter(chain__in=[chain.value for chain in void]).delete()
        ChainBlock.objects.bulk_create(
            [
                ChainBlock(
                    chain=block.chain.value,
                    height=block.height,
                    announced_at=block.announced_at,
                    difficulty=block.difficulty,
                    prevhash=block.prevhash.hex(),
                    reward=block.reward,
                )
                for block in blocks
            ],
            update_conflicts=True,
            unique_fields=["chain", "height"],
            update_fields=["announced_at", "difficulty", "prevhash", "reward"],
        )
        for chain in {block.chain for block in blocks}:
            newest = max(block.height for block in blocks if block.chain is chain)
            ChainBlock.objects.filter(chain=chain.value, height__lt=newest - KEPT_BLOCKS[chain]).delete()
        if parts is not None:
            BalanceMemory.objects.update_or_create(
                pk=1, defaults={"parts": {chain.value: part for chain, part in parts.items()}, "at": at}
            )


class BalanceService:
    """Polls until cancelled. ``set_weights`` is the scheduler's ``set_balance_weights``.

    One task of the loop; the database is used in threads only.
    """

    def __init__(
        self,
        *,
        auto: AutoBalance,
        clock: Clock,
        set_weights: Callable[[Weights | None], None],
        limits: HttpLimits | None = None,
        store: BalanceStore | None = None,
        lease: Lease | None = None,
    ) -> None:
        """``lease``: another node's decisions are followed while it has that."""
        self._auto = auto
        self._lease = lease or OwnLease()
        self._followed_at = 0.0
        self._clock = clock
        self._limits = limits or HttpLimits()
        self._store = store or BalanceStore()
        self._config = BalanceConfig()
        self._due: dict[str, _Due] = {}
        self._changed = asyncio.Event()
        self._first_poll = clock.now() + FIRST_POLL_S
        auto.on_weights = set_weights

    def apply(self, config: ConfigSnapshot) -> None:
        """Use another configuration from now on; new sources are polled at once, if polling has begun."""
        old = dict(zip(source_names(self._config.sources), self._config.sources, strict=True))
        new = dict(zip(source_names(config.balance.sources), config.balance.sources, strict=True))
        start = max(self._first_poll, self._clock.now())
        self._due = {
            name: self._due[name] if name in self._due and old.get(name) == source else _Due(start)
            for name, source in new.items()
        }
        self._config = config.balance
        self._auto.apply(config)
        self._changed.set()

    async def restore(self) -> None:
        """Load what the last run stored; call it after ``apply`` and before ``run``."""
        try:
            blocks = await sync_to_async(self._store.load)()
            parts, at = await sync_to_async(self._store.load_parts)()
        except (DatabaseError, ValueError) as error:
            _logger.warning("Auto-balance starts without its history: %s", error)
            return
        self._auto.observer.restore(blocks)
        self._auto.restore(parts, at)

    async def run(self) -> None:
        """Poll whenever a source is due, the first time 60 seconds after the start."""
        client = ClientWhenNeeded()
        try:
            while True:
                if not self._lease.held:
                    await self._follow()
                elif await self._is_due():
                    await self.poll_due(await client.get())
        finally:
            await client.close()

    async def _is_due(self) -> bool:
        """Wait until a source is due; False where another node decides by then."""
        while (delay := self._next_due() - self._clock.now()) > 0 and self._lease.held:
            self._changed.clear()
            self._auto.next_poll_at = self._clock.wall() + delay
            try:
                await asyncio.wait_for(self._changed.wait(), min(delay, FOLLOW_S if self._lease.is_shared else 3600.0))
            except TimeoutError:
                continue
            if self._lease.is_shared:
                await self.save()  # a change of the settings can change the weights, and others follow what is stored
        return self._lease.held

    async def _follow(self) -> None:
        """Use the weights that the node with the lease has stored."""
        self._auto.observer.take_new()
        self._auto.observer.take_void()
        self._auto.next_poll_at = None
        try:
            parts, at = await _in_database(self._store.load_parts)
        except DatabaseError:
            parts, at = {}, 0.0  # those of before stay
        if at and (self._followed_at or abs(self._clock.wall() - at) < FOLLOWED_FOR_S):
            self._followed_at = at
            self._auto.follow(parts)
        await asyncio.sleep(FOLLOW_S)

    def _next_due(self) -> float:
        return min((due.at for due in self._due.values()), default=self._clock.now() + 3600.0)

    async def poll_due(self, client: "httpx.AsyncClient") -> None:
        """Poll the sources that are due, in order, decide, and store. Sources are skipped once the data is complete."""
        names = source_names(self._config.sources)
        sources = list(zip(names, self._config.sources, strict=True))
        for name, source in sources:
            due = self._due.get(name)
            if due is None or due.at > self._clock.now() + DUE_TOGETHER_S:
                continue
            if not self._wants_price() and not self._auto.missing_chains(before=name):
                self._plan(due, source, failed=False)
                continue
            await self._ask(name, source, due, client)
        self._auto.conclude()
        await self.save()

    def _wants_price(self) -> bool:
        return self._config.wants_prices or self._config.strategy == "value-per-hash"

    async def _ask(self, name: str, source: BalanceSourceConfig, due: _Due, client: "httpx.AsyncClient") -> None:
        self._auto.poll_started(name)
        if name == OBSERVED:
            self._plan(due, source, failed=False)
            return
        question = Question(
            name=name,
            config=source,
            ask=HttpFetcher(client, self._limits),
            now=self._clock.wall(),
            short=self._config.short_window,
            long=self._config.long_window,
        )
        problem = await _fetch_into(self._auto, question)
        self._plan(due, source, failed=problem is not None)

    def _plan(self, due: _Due, source: BalanceSourceConfig, *, failed: bool) -> None:
        """Set the next poll: from the second failure on the pause doubles, up to ``MAX_BACKOFF`` times."""
        due.failures = due.failures + 1 if failed else 0
        factor = min(MAX_BACKOFF, 2 ** max(0, due.failures - 2))
        due.at = self._clock.now() + source.poll_s * factor

    async def save(self, *, at_the_end: bool = False) -> None:
        """Store what is new. Without the database the history is lost, but balancing goes on."""
        blocks, void = self._auto.observer.take_new(), self._auto.observer.take_void()
        try:
            if not self._lease.held:
                return
            parts = self._auto.parts()
            if parts is None and self._lease.is_shared and self._auto.state is BalanceState.FALLBACK:
                parts = {}  # the schedule's own weights, for all nodes
            wall, check = self._clock.wall(), self._lease.check

            def store() -> None:
                if at_the_end:
                    wait_at_most(AT_THE_END_S)
                self._store.save(blocks, void, parts, wall, check)

            await _in_database(store)
        except (DatabaseError, LeaseLost) as error:
            _logger.warning("Auto-balance could not store what it observed: %s", error)


async def _in_database(call: Callable[[], Result]) -> Result:
    """Run a blocking call in a thread, without a connection that broke in an earlier one."""

    def fresh() -> Result:
        close_old_connections()
        return call()

    return await sync_to_async(fresh)()


async def _fetch_into(auto: AutoBalance, question: Question) -> str | None:
    """Poll one source. Returns what went wrong, or None."""
    try:
        readings = await fetch(question)
    except SourceError as error:
        auto.source_failed(question.name, str(error))
        return str(error)
    except Exception as error:  # a server must not be able to end the polling
        _logger.exception("Source %s failed unexpectedly", question.name)
        auto.source_failed(question.name, f"The answer cannot be used ({type(error).__name__}).")
        return str(error)
    for reading in readings:
        auto.feed(reading)
    return None


async def try_source(
    source: BalanceSourceConfig, *, now: float, short: int = 6, long: int = 72, limits: HttpLimits | None = None
) -> list[NetworkReading]:
    """Poll ``source`` once, to test it.

    Raises:
        SourceError: it failed; the text says why.
    """
    async with make_client(await authorities()) as client:
        return await fetch(
            Question(name=source.kind, config=source, ask=HttpFetcher(client, limits), now=now, short=short, long=long)
        )
