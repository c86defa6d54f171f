"""Asks all miners again and again, does the scans that somebody asks for, hears announcements. Runs on the loop."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from proxy.config.snapshot import DevicesConfig
from proxy.config.watcher import hearing_changes, wait_for_event
from proxy.devices import rows
from proxy.devices.facts import Api, DeviceError, Facts
from proxy.devices.finder import Scan, announcements, is_a_miner
from proxy.devices.networks import Address, NetworkError, address_of, hosts_of, networks_of
from proxy.devices.reader import CONCURRENT, DeviceReader, make_client
from proxy.devices.views import STALE_ROUNDS, DeviceRow, DevicesView, DeviceView, worker_of, workers_by_address
from proxy.engine.worker_names import worker_of as worker_named
from proxy.observe.events import DeviceFound, DevicesTrouble, DevicesWatched, EventStream
from proxy.observe.live.views import LiveSnapshot
from proxy.ports import TimeSource

LOOK_S = 10.0
"""How often the database is asked for a scan or for a row of another process; those of this one are told."""
LEAST_WAIT_S = 1.0
"""Between two rounds, however long the first one took."""
MOST_FAILURES = 5
"""A miner that did not answer so often is asked every such round only."""
MDNS_RETRY_S = 300.0
MOST_CANDIDATES = 64


class DevicesService:
    """``run`` until cancelled; ``view`` is what is known."""

    def __init__(
        self,
        config: DevicesConfig,
        *,
        clock: TimeSource,
        events: EventStream,
        snapshot: Callable[[], LiveSnapshot | None],
        leads: Callable[[], bool] = lambda: True,
        loopback: bool = False,
    ) -> None:
        """``leads``: of several nodes one alone searches, hears and keeps; all ask. ``loopback``: miners may be on this
        machine, because they are simulated."""
        self.view = DevicesView(price_per_kwh=config.price_per_kwh, currency=config.currency)
        self._config, self._clock, self._events, self._snapshot = config, clock, events, snapshot
        self._leads, self._loopback = leads, loopback
        self._now = asyncio.Event()
        """Set: the next round begins at once."""
        self._changed = asyncio.Event()
        """Set: the database is asked at once."""
        self._said: dict[int, tuple[float, Facts]] = {}
        self._problems: dict[int, str] = {}
        self._failures: dict[int, int] = {}
        self._workers: dict[int, str] = {}
        self._rounds = 0
        self._sampled_at = 0.0
        self._trouble = ""

    async def run(self) -> None:
        """Ask, scan and listen."""
        self._events.emit(DevicesWatched(networks=self._config.networks, interval_s=self._config.interval_s))
        with hearing_changes(self._changed):
            async with make_client() as client, asyncio.TaskGroup() as group:
                reader = DeviceReader(client)
                group.create_task(self._ask_all(reader), name="miners: rounds")
                group.create_task(self._obey(reader), name="miners: scans")
                if self._config.mdns and self._config.networks:
                    group.create_task(self._listen(reader), name="miners: announcements")

    # --- Rounds -----------------------------------------------------------------------------------------------------

    async def _ask_all(self, reader: DeviceReader) -> None:
        while True:
            began = self._clock.now()
            self._now.clear()
            with self._database():
                await self._round(reader, await sync_to_async(rows.load, thread_sensitive=False)())
                await self._keep()
            wait_s = max(LEAST_WAIT_S, began + self._config.interval_s - self._clock.now())
            await wait_for_event(self._now, wait_s)

    async def _round(self, reader: DeviceReader, known: Sequence[DeviceRow]) -> None:
        """Ask each miner once, those that answered last time first: those that are away hold up nobody else."""
        began = self._clock.now()
        self._forget(known)
        due = deque(sorted(filter(self._is_due, known), key=lambda row: self._failures.get(row.id, 0)))

        async def work() -> None:
            while due:
                await self._ask(reader, due.popleft())

        async with asyncio.TaskGroup() as group:
            for _ in range(min(CONCURRENT, len(due))):
                group.create_task(work())
        self._rounds += 1
        self.view = self._view(known, self._clock.now() - began)

    def _is_due(self, row: DeviceRow) -> bool:
        return self._failures.get(row.id, 0) < MOST_FAILURES or (self._rounds + row.id) % MOST_FAILURES == 0

    async def _ask(self, reader: DeviceReader, row: DeviceRow) -> None:
        try:
            address = address_of(row.address, loopback=self._loopback)
            facts = await reader.facts(row.api, str(address), row.port)
        except (DeviceError, NetworkError) as error:
            self._problems[row.id] = str(error)
            self._failures[row.id] = self._failures.get(row.id, 0) + 1
        else:
            self._said[row.id] = (self._clock.wall(), facts)
            self._problems.pop(row.id, None)
            self._failures.pop(row.id, None)

    def _forget(self, known: Sequence[DeviceRow]) -> None:
        ids = {row.id for row in known}
        for table in (self._said, self._problems, self._failures, self._workers):
            for gone in table.keys() - ids:
                del table[gone]

    def _view(self, known: Sequence[DeviceRow], round_s: float) -> DevicesView:
        live = self._snapshot()
        here = workers_by_address(live)
        return DevicesView(
            devices=tuple(self._device(row, here) for row in known),
            price_per_kwh=self._config.price_per_kwh,
            currency=self._config.currency,
            scanning=self.view.scanning,
            round_s=round_s,
            hashes_per_difficulty=live.hashes_per_difficulty if live else self.view.hashes_per_difficulty,
        )

    def _device(self, row: DeviceRow, here: Mapping[str, frozenset[str]]) -> DeviceView:
        said = self._said.get(row.id)
        age = self._clock.wall() - said[0] if said else 0.0
        facts = said[1] if said and 0.0 <= age <= STALE_ROUNDS * max(self._config.interval_s, LOOK_S) else None
        worker = worker_of(row, facts, here, worker_named)  # type: ignore[arg-type]
        if worker is not None:
            self._workers[row.id] = worker
        elif not here:
            worker = self._workers.get(row.id)  # type: ignore[assignment]
        return DeviceView(
            row=row,
            worker=worker,
            facts=facts,
            heard_at=said[0] if said else None,
            problem=self._problems.get(row.id, ""),
        )

    async def _keep(self) -> None:
        now = self._clock.wall()
        if self._leads() and self.view.devices and not 0.0 <= now - self._sampled_at < rows.SLOT_S:
            await sync_to_async(rows.keep_samples, thread_sensitive=False)(self.view.devices, now)
            self._sampled_at = now

    # --- Scans ------------------------------------------------------------------------------------------------------

    async def _obey(self, reader: DeviceReader) -> None:
        newest = None
        while True:
            self._changed.clear()
            with self._database():
                before = newest
                scan, newest = await sync_to_async(rows.look, thread_sensitive=False)()
                if before != newest:
                    self._now.set()
                if scan is not None and self._leads():
                    await self._scan(reader, scan)
            await wait_for_event(self._changed, LOOK_S)

    async def _scan(self, reader: DeviceReader, ident: int) -> None:
        scan, problem = Scan(reader, lambda host, port, api: self._found(host, port, api, "scan")), ""
        self._scanning(True)
        try:
            hosts = list(hosts_of(networks_of(self._config.networks, loopback=self._loopback)))
            known = await sync_to_async(rows.addresses, thread_sensitive=False)()
            if not await scan.run(host for host in hosts if str(host) not in known):
                problem = "Time was over before all addresses were asked."
        except NetworkError as error:
            problem = str(error)
        finally:
            self._scanning(False)
        await sync_to_async(rows.scan_ended, thread_sensitive=False)(
            ident, hosts=scan.asked, found=scan.found, problem=problem
        )

    def _scanning(self, on: bool) -> None:
        self.view = replace(self.view, scanning=on)

    async def _found(self, host: Address, port: int, api: Api, found_by: str) -> bool:
        new = await sync_to_async(rows.add, thread_sensitive=False)(host, port, api, found_by)
        if new:
            self._events.emit(DeviceFound(address=str(host), api=api.value, by=found_by))
            self._now.set()
        return new

    # --- Announcements ----------------------------------------------------------------------------------------------

    async def _listen(self, reader: DeviceReader) -> None:
        """Hear announcements; each is asked before it is believed, one after the other."""
        candidates: asyncio.Queue[tuple[Address, int]] = asyncio.Queue(MOST_CANDIDATES)
        networks = networks_of(self._config.networks, loopback=self._loopback)

        def heard(address: Address, port: int) -> None:
            if not candidates.full() and any(address in network for network in networks):
                candidates.put_nowait((address, port))

        while True:
            try:
                async with announcements(heard, loopback=self._loopback):
                    while True:
                        address, port = await candidates.get()
                        if not self._leads():
                            continue
                        with self._database():
                            known = await sync_to_async(rows.addresses, thread_sensitive=False)()
                            if str(address) not in known and await is_a_miner(reader, address, port, Api.AXEOS):
                                await self._found(address, port, Api.AXEOS, "mdns")
            except OSError as error:
                self._tell(f"announcements cannot be heard: {error.strerror or error}")
                await asyncio.sleep(MDNS_RETRY_S)

    # --- Trouble ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _database(self) -> Iterator[None]:
        """A database that cannot be used is told once, and tried again at the next turn."""
        try:
            yield
        except DatabaseError as error:
            self._tell(f"the database cannot be used: {error}")
        else:
            self._tell("")

    def _tell(self, problem: str) -> None:
        if problem != self._trouble:
            self._trouble = problem
            if problem:
                self._events.emit(DevicesTrouble(problem=problem[:200]))
