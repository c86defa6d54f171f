"""Asks the sources of auto-balance what became of the blocks found: how deep in the chain they are, or orphaned."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.db.models import Q

from proxy.balance.sources import Question, ask_confirmations, can_confirm
from proxy.config.snapshot import BalanceSourceConfig, ConfigSnapshot
from proxy.models.history import Block
from proxy.net.http_client import ClientWhenNeeded, HttpFetcher, HttpLimits, SourceError
from proxy.nodes.lease import Lease, OwnLease
from proxy.ports import Clock
from proxy.types import Chain

if TYPE_CHECKING:
    import httpx

LOOK_EVERY_S = 60.0
ASK_EVERY_S = 600.0
"""Time between two questions about the same block."""
MATURE = 100
"""Confirmations after which a block's reward can be spent, on all chains here; the block is asked about no more."""
ASKED_FOR = timedelta(days=14)
"""A block that is no more than this old is asked about."""
MOST_BLOCKS = 20
"""The newest blocks that are asked about in one turn."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenBlock:
    """A block that is not known to be deep in its chain."""

    pk: int
    chain: Chain
    header_hash: str


class ConfirmationStore:
    """The blocks in the database. Blocking."""

    def open(self, chains: Sequence[Chain], now: float) -> list[OpenBlock]:
        """The newest blocks of ``chains`` to be asked about at ``now`` (unix seconds)."""
        rows = Block.objects.filter(
            Q(confirmations=None) | Q(confirmations__lt=MATURE),
            chain__in=[chain.value for chain in chains],
            at__gte=datetime.fromtimestamp(now, UTC) - ASKED_FOR,
        ).order_by("-pk")[:MOST_BLOCKS]
        return [OpenBlock(row.pk, Chain(row.chain), row.header_hash) for row in rows]

    def save(self, block: OpenBlock, confirmations: int) -> None:
        """Store what a source said."""
        Block.objects.filter(pk=block.pk).update(confirmations=confirmations)


class Confirmations:
    """Asks until cancelled; one task of the loop, the database is used in threads only. Without a source it rests."""

    def __init__(
        self,
        *,
        clock: Clock,
        limits: HttpLimits | None = None,
        store: ConfirmationStore | None = None,
        lease: Lease | None = None,
    ) -> None:
        self._lease = lease or OwnLease()
        self._clock = clock
        self._limits = limits or HttpLimits()
        self._store = store or ConfirmationStore()
        self._sources: tuple[BalanceSourceConfig, ...] = ()
        self._asked: dict[int, float] = {}
        """Block -> when it was asked about last, monotonic seconds."""

    def apply(self, config: ConfigSnapshot) -> None:
        """Use the sources of another configuration from now on."""
        if config.balance.sources != self._sources:
            self._sources = config.balance.sources
            self._asked.clear()

    async def run(self) -> None:
        """Look for blocks to ask about once a minute."""
        client = ClientWhenNeeded()
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                await self.ask_open(client)
        finally:
            await client.close()

    async def ask_open(self, client: ClientWhenNeeded) -> None:
        """Ask about each block whose time has come."""
        chains = [chain for chain in Chain if any(can_confirm(source, chain) for source in self._sources)]
        if not chains or not self._lease.held:
            return
        try:
            blocks = await sync_to_async(self._store.open)(chains, self._clock.wall())
            self._asked = {block.pk: self._asked[block.pk] for block in blocks if block.pk in self._asked}
            for block in blocks:
                if self._clock.now() - self._asked.get(block.pk, -ASK_EVERY_S) >= ASK_EVERY_S:
                    self._asked[block.pk] = self._clock.now()
                    await self._ask(block, await client.get())
        except DatabaseError as error:
            _logger.warning("The confirmations of blocks cannot be stored: %s", error)

    async def _ask(self, block: OpenBlock, client: "httpx.AsyncClient") -> None:
        """The first source that knows the block is believed."""
        for source in self._sources:
            if not can_confirm(source, block.chain):
                continue
            question = Question(
                name=source.kind, config=source, ask=HttpFetcher(client, self._limits), now=self._clock.wall()
            )
            try:
                said = await ask_confirmations(question, block.header_hash)
            except SourceError as error:
                _logger.info("No confirmations of block %s from %s: %s", block.header_hash, source.kind, error)
                continue
            if said is not None:
                await sync_to_async(self._store.save)(block, said)
                return
