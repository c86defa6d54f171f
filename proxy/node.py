"""The composition root: makes every part of a running proxy, connects them, and starts and stops them in order."""

import asyncio
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import Error as DjangoError

from proxy import VERSION
from proxy.alerts.service import AlertService
from proxy.balance.auto_balance import AutoBalance
from proxy.balance.confirmations import Confirmations
from proxy.balance.service import BalanceService
from proxy.chains.chain_observer import ChainObserver
from proxy.chains.payout import PayoutCheck
from proxy.config import loader
from proxy.config.snapshot import ConfigSnapshot, Listeners, MqttConfig
from proxy.config.watcher import ConfigWatcher
from proxy.devices.switch import devices_switch
from proxy.devices.views import power_of_all
from proxy.engine.connection_limits import limits_for
from proxy.engine.engine import Engine
from proxy.history.journal import BlockJournal
from proxy.history.journal_undelivered import JournalBlock, read_undelivered
from proxy.history.service import HistoryService
from proxy.history.state_saver import StateSaver
from proxy.money.recorder import MoneyRecorder
from proxy.mqtt.switch import mqtt_switch
from proxy.net.capacity import free_memory, miners_that_fit, raise_open_files, refused_that_fit
from proxy.net.dialer import NetDialer
from proxy.net.garbage import GarbageCollection
from proxy.net.inherited import STRATUM, TLS
from proxy.net.lag_meter import LagMeter
from proxy.net.loop_watch import LoopWatch
from proxy.net.miner_listeners import MinerListeners
from proxy.net.tasks import cancel_and_wait, spawn
from proxy.nodes.lease import Lease, OwnLease, once
from proxy.observe.events import (
    ConfigRefused,
    Listening,
    LoopHeld,
    MinerDisconnected,
    NodeDraining,
    ShareResult,
    ShutdownBegin,
    ShutdownSignal,
    TlsListening,
)
from proxy.observe.live.admission import admission
from proxy.observe.live.broadcast import Ticker
from proxy.observe.live.publisher import Publisher
from proxy.observe.live.snapshot import SnapshotBuilder, Sources
from proxy.observe.live.views import LiveSnapshot, store
from proxy.observe.metrics import MetricsSink
from proxy.ops.health import readiness, several
from proxy.ops.running import remove_running, replaced, write_running
from proxy.ops.undelivered import resume_delivery
from proxy.process import Options, OwnProcess, StartError
from proxy.text import address_text
from proxy.types import MAIN_LISTENER, TLS_LISTENER, PoolKey
from proxy.updates.service import UpdateService

if TYPE_CHECKING:
    from proxy.nodes.membership import Membership

LAST_VERDICTS_S = 1.5
DRAIN_S = 60.0
NOTICED_S = 8.0
"""How long ports stay open when a node drains: until a balancer that asks every two seconds surely knows."""
SWITCH_INTERVAL_S = 0.0005
"""How long a busy thread may hold the GIL while the loop has work (CPython's default is 10 times as long)."""


class Node(OwnProcess):
    """A running proxy. ``run`` returns after ``stop`` was called."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.name = options.node
        self.membership = self._make_membership() if self.name else None
        """None: the proxy is alone, does everything and asks nobody."""
        self.lease: Lease = self.membership.lease if self.membership is not None else OwnLease()
        self._make_history()
        self._make_engine()
        self._make_services()
        self._make_servers()
        self.listeners = Listeners()
        """As they were when the ports were opened."""
        self._listening = False
        self._open_files, self._free_memory = raise_open_files(), free_memory()
        self._mqtt: MqttConfig | None = None
        self._draining: asyncio.Task[None] | None = None
        self._was_terminated = False
        self.drained = False
        """Whether it ended because it had drained: nobody is to start it again by himself."""
        self._undelivered: list[JournalBlock] = []
        """Block candidates of an earlier run that their pool never answered."""

    def _make_membership(self) -> "Membership":
        """Who this node is among several."""
        from proxy.nodes.membership import Membership  # loaded where there can be several

        return Membership(
            self.name,
            data_dir=self.options.data_dir,
            clock=self.clock,
            events=self.events,
            report=self._report,
            on_lease=self._lease_changed,
            on_drain=lambda: self.drain("asked for"),
            on_name_lost=lambda: self.stop("another node took the name"),
        )

    def _make_history(self) -> None:
        """What writes down what happens beside the log: block journal, history, metrics."""
        options, loop = self.options, asyncio.get_running_loop()
        blocks = options.data_dir / "blocks.jsonl"
        self.journal = BlockJournal(
            blocks,
            clock=self.clock,
            events=self.events,
            in_background=lambda call: loop.run_in_executor(None, call),
        )
        self.history = HistoryService(
            clock=self.clock,
            events=self.events,
            hashes_per_difficulty=options.hashes_per_difficulty,
            data_dir=options.data_dir,
            blocks=blocks,
            jobs=(once(self.lease, MoneyRecorder(self.clock, _balance_view, _power_of_all)),),
            lease=self.lease,
        )
        self.metrics = MetricsSink(self.events, self.history.accounting.counts_of_run)

    def _make_engine(self) -> None:
        """Mining itself, and what knows of its chains."""
        hashes = self.options.hashes_per_difficulty
        self.chain = ChainObserver(clock=self.clock, events=self.events, hashes_per_difficulty=hashes)
        self.engine = Engine(
            clock=self.clock,
            events=self.events,
            random=random.Random(),
            version=VERSION,
            hashes_per_difficulty=hashes,
            dialer=NetDialer(
                timeout_s=lambda: self.engine.config.health.dial_timeout_s, deadlines=self.clock.deadlines
            ),
        )
        self.metrics.attach_lines(self.engine.lines, self.engine.pool_lines)

    def _make_services(self) -> None:
        """What follows from mining and steers it: payout check, auto-balance, alerts, configuration, memory."""
        self.payouts = PayoutCheck(
            clock=self.clock, events=self.events, coinbases_of=self.engine.coinbases_of, on_payout=self._payout
        )
        self.auto = AutoBalance(clock=self.clock, events=self.events)
        self.balance = BalanceService(
            auto=self.auto,
            clock=self.clock,
            set_weights=self.engine.scheduler.set_balance_weights,
            lease=self.lease,
        )
        self.confirmations = Confirmations(clock=self.clock, lease=self.lease)
        self.alerts = AlertService(events=self.events, lease=self.lease, node=self.name)
        self.mqtt = mqtt_switch(
            clock=self.clock, events=self.events, snapshot=self._fresh_snapshot, report=self._report
        )
        self.devices = devices_switch(
            clock=self.clock,
            events=self.events,
            snapshot=store.current,
            report=self._report,
            leads=lambda: self.lease.held,
            loopback=self.options.demo,
        )
        self.updates = UpdateService(
            clock=self.clock, events=self.events, memory=self.options.data_dir / "update.json", lease=self.lease
        )
        self.garbage = GarbageCollection(clock=self.clock, events=self.events)
        self.lag = LagMeter(self.clock, self.metrics.loop_lag.observe)
        self.loop_watch = LoopWatch(self._loop_held) if settings.WATCH_LOOP else None
        self.watcher = ConfigWatcher(
            loader.Rows(opened=lambda: self.listeners if self._listening else None),
            on_snapshot=self._came_from_database,
            on_refused=self._refused,
            on_trouble=self._config_trouble,
        )
        self.memory = StateSaver(self.events, self.engine.scheduler, self.history.splits, self.name)

    def _make_servers(self) -> None:
        """What miners and viewers connect to, and the live snapshot that viewers see."""
        self.miner_ports = MinerListeners(
            self.engine.connect,
            clock=self.clock,
            events=self.events,
            refused=self.engine.connection_control.refused_header,
            miners=lambda listener: self.engine.miners_through[listener],
            let_go=self.engine.let_go,
            share_ports=self.options.worker > 0,
        )
        self.shared_view = None
        if self.membership is not None and settings.REDIS_URL:
            self.shared_view = self.membership.shared_view(
                url=settings.REDIS_URL,
                has_pages=self.options.web,
                let_in=self.engine.connection_control.let_in,
                trouble=self._database_trouble,
            )
        self.builder = SnapshotBuilder(
            version=VERSION,
            node=self.name if self.shared_view is not None else "",
            demo=self.options.demo,
            sources=Sources(
                engine=self.engine,
                accounting=self.history.accounting,
                chain=self.chain,
                splits=self.history.splits,
                payouts=self.payouts,
                records=self.history.records,
                effort=self.history.effort,
                clock=self.clock,
                database_trouble=self._database_trouble,
                ports=self.miner_ports,
                extra=self._extra,
                rows_are_read=lambda: self.devices.service is not None,
            ),
        )
        self.publisher = Publisher(
            self.builder,
            clock=self.clock,
            events=self.events,
            ticker=Ticker() if self.options.web else None,
            report=self._report,
            show=self.shared_view.put if self.shared_view is not None else None,
            is_seen=self.options.web or self.shared_view is not None,
        )

    # --- Life -----------------------------------------------------------------------------------------------------

    def drain(self, why: str) -> None:
        """Be no longer ready, take no new miners, let all go within ``DRAIN_S``, then end ``run``."""
        if self._draining is None and not self._stop.is_set():
            self._draining = spawn(self._drain(why), name="drain", report=self._task_failed)

    def terminate(self, why: str) -> None:
        """End ``run``: after the drain, if one is under way; whoever asks once more does not want to wait for it."""
        if self._draining is None or self._was_terminated:
            self.stop(why)
        elif not self._stop.is_set():
            self._was_terminated = True
            self.events.emit(ShutdownSignal(signal=why))

    async def _drain(self, why: str) -> None:
        if self.membership is not None:
            self.membership.drains()
        self.builder.miner_address = ""
        self.publisher.renew()
        leaving_s = self.engine.leaving_s(DRAIN_S)
        self.events.emit(
            NodeDraining(node=self.name, miners=len(self.engine.sessions), seconds=round(NOTICED_S + leaving_s, 1))
        )
        await asyncio.sleep(NOTICED_S)
        await self.miner_ports.stop()
        empty, loop = asyncio.Event(), asyncio.get_running_loop()

        def look() -> None:
            if not self.engine.sessions:
                empty.set()

        def left(_: MinerDisconnected) -> None:
            loop.call_soon(look)  # it is still counted while the event is told

        self.events.subscribe(MinerDisconnected, left)
        look()
        self.engine.let_all_go(DRAIN_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(empty.wait(), DRAIN_S + NOTICED_S)
        self.drained = not self._stop.is_set()
        self.stop(f"drained: {why}")

    async def run(self) -> None:
        """Start everything, serve until ``stop``, end everything.

        Raises:
            StartError: a port is taken, or the database cannot be read and no configuration was kept.
        """
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        await super().run()

    async def _start(self) -> None:
        if self.membership is not None:
            await self._join(self.membership)
        await self._restore()
        await self.memory.restore()
        await self.watcher.check()
        if self._trouble:
            self._start_alone()
        await self.balance.restore()
        self.garbage.start()  # a moment's work, so before there are miners who would wait for it
        await self._listen()
        resume_delivery(self._undelivered, self.engine)
        self.alerts.start()
        self._show_gauges(self._queues, lambda: self.history.writer.lag_s)
        self.lag.start()
        if self.loop_watch is not None:
            self.loop_watch.start()
        for name, work in (
            ("configuration", self.watcher.run()),
            *self.history.tasks(),
            ("memory", self.memory.run()),
            ("balance", self.balance.run()),
            ("confirmations", self.confirmations.run()),
            ("pages", self.publisher.run()),
            ("log limit", self.logs.run()),
            *(self.shared_view.tasks() if self.shared_view is not None else ()),
        ):
            self._tasks.append(spawn(work, name=name, report=self._task_failed))
        if self.membership is not None:
            several.trouble = self._database_trouble
            self._tasks.append(spawn(self.membership.run(), name="node", report=self._task_failed))
        self._tasks.append(spawn(self.updates.run(), name="updates", report=self._report))
        let_in = self.engine.connection_control.let_in
        admission.connect(self.shared_view.let_in if self.shared_view is not None else let_in)

    async def _join(self, membership: "Membership") -> None:
        """Take this node's name and data directory before anything in them is used."""
        from proxy.nodes.membership import JoinError

        try:
            await membership.join()
        except JoinError as error:
            raise StartError(str(error)) from error

    def _start_alone(self) -> None:
        """The database is away: start with the configuration of an earlier run."""
        config = self.membership.start_alone() if self.membership is not None else None
        if config is None:
            raise StartError(f"The database cannot be read: {self._trouble}")
        self._apply(config)

    async def _restore(self) -> None:
        try:
            await self.history.restore()
        except DjangoError as error:
            if self.membership is None or self.membership.kept is None:
                raise StartError(f"The database cannot be read: {error}. Has `manage.py migrate` been run?") from error
        try:
            self._undelivered = await asyncio.to_thread(read_undelivered, self.options.data_dir / "blocks.jsonl")
        except OSError as error:
            self._report("block journal", error)

    async def _listen(self) -> None:
        configured, options = self.listeners, self.options
        stratum = options.stratum or (configured.stratum_host, configured.stratum_port)
        try:
            await self._open_for_readers(
                configured, settle=self._settle, ready=self._ready if self.membership is not None else None
            )
            if self.web is not None:
                self.engine.web_bound = self.web.address
            inherited = self._inherited(STRATUM, *stratum)
            bound = await self.miner_ports.open_fixed(MAIN_LISTENER, *stratum, inherited)
            if configured.tls_port:
                inherited = self._inherited(TLS, stratum[0], configured.tls_port)
                with_tls = await self.miner_ports.open_fixed(TLS_LISTENER, stratum[0], configured.tls_port, inherited)
                if with_tls is not None:
                    self.events.emit(TlsListening(address=address_text(*with_tls)))
            elif TLS in options.inherited:
                self._leave_unused(TLS, "off")
        except OSError as error:
            raise StartError(
                f"{error.strerror or error}. Is another program, or another dpmp, using it? "
                "Ports are set in the admin (Proxy settings), or by --listen, --web and --metrics HOST:PORT."
            ) from error
        await self._say_what_was_replaced(bound or stratum)
        if bound is not None:
            self.builder.miner_address = address_text(*bound)
            if self.membership is not None:
                self.membership.listens(address_text(*bound))
            self.events.emit(Listening(address=address_text(*bound)))
        await self.miner_ports.start()
        self._listening = True

    async def _say_what_was_replaced(self, miners: tuple[str, int]) -> None:
        """Current settings and ``doctor`` know what the command line said."""
        options = self.options
        bound = (
            ("stratum", options.stratum, miners),
            ("web", options.web_address, self.web.address if self.web else None),
            ("metrics", options.metrics, self.metrics_server.address if self.metrics_server else None),
        )
        given = {name: (asked[0], at[1]) for name, asked, at in bound if asked is not None and at is not None}
        self.builder.command_line = replaced(given)
        try:
            await asyncio.to_thread(write_running, options.data_dir, self.builder.command_line)
        except OSError as error:
            self._report("running.json", error)

    async def _end(self) -> None:
        began = self.clock.now()
        admission.disconnect()
        self.events.emit(ShutdownBegin(sessions=len(self.engine.sessions), open_submits=self.engine.open_submits))
        await self.miner_ports.stop()
        self.engine.connection_control.close()
        await self._last_verdicts()
        self.engine.close()
        self.lag.stop()
        if self.loop_watch is not None:
            self.loop_watch.stop()
        self.history.shutdown_begins()
        await asyncio.gather(
            self.history.close(),
            self.memory.close(),
            self.mqtt.close(),
            self._leave(),
            self.devices.close(),
            *(server.stop() for server in self._servers()),
            return_exceptions=True,
        )
        if self._draining is not None:
            self._tasks.append(self._draining)
        await asyncio.gather(cancel_and_wait(*self._tasks, timeout_s=1.0), asyncio.to_thread(self.alerts.stop))
        if self.shared_view is not None:
            await self.shared_view.close()
        self.library.remove()
        self.journal.close()
        remove_running(self.options.data_dir)
        several.trouble = None
        if self.membership is not None:
            self.membership.close()
        await self._end_log(began)

    async def _leave(self) -> None:
        """Save what this node decided, then let another decide, and have the name."""
        await self.balance.save(at_the_end=True)
        if self.membership is not None:
            await self.membership.leave()

    async def _last_verdicts(self) -> None:
        """Wait a moment for the pools' answers to forwarded shares."""
        answered = asyncio.Event()

        def check(_: ShareResult) -> None:
            if not self.engine.open_submits:
                answered.set()

        self.events.subscribe(ShareResult, check)
        if self.engine.open_submits:
            with suppress(TimeoutError):
                await asyncio.wait_for(answered.wait(), LAST_VERDICTS_S)

    # --- Configuration --------------------------------------------------------------------------------------------

    def _came_from_database(self, config: ConfigSnapshot) -> None:
        self._apply(config)
        if self.membership is not None:
            self.membership.applied(config)

    def _apply(self, config: ConfigSnapshot) -> None:
        self.builder.config_problems = ()
        if not self._listening:
            self.listeners = config.listeners
        self.logs.apply(config.log, [pool.wallet for pool in config.pools.values()])
        self.metrics.limit_worker_series(config.worker_series)
        capacity = miners_that_fit(self._open_files, self._free_memory, config.pools.values())
        config = replace(config, limits=limits_for(config.limits, capacity))
        self.miner_ports.refused_connections.most = refused_that_fit(
            self._open_files, config.limits.max_sessions, config.pools.values()
        )
        for part in (self.history, self.payouts, self.balance, self.confirmations):
            part.apply(config)
        self.alerts.apply(config.alerts)
        self._mqtt = config.mqtt
        self.mqtt.apply(self._mqtt if self.lease.held else None)
        self.devices.apply(config.devices)
        self.updates.apply(config.update_feed)
        self.miner_ports.limit_input(config.limits)
        self.engine.apply(config)
        self.miner_ports.configure(config.miner_listeners)

    def _lease_changed(self, held: bool) -> None:
        self.mqtt.apply(self._mqtt if held else None)

    def _refused(self, problems: Sequence[str]) -> None:
        self.builder.config_problems = tuple(problems)
        self.events.emit(ConfigRefused(problems=tuple(problems)))

    def _database_trouble(self) -> str:
        return self._trouble or self.history.writer.trouble

    def _ready(self) -> bool:
        return readiness().ready

    def _payout(self, pool: PoolKey, ok: bool) -> None:
        self.engine.exclude_pool(pool, not ok)

    # --- The read model -------------------------------------------------------------------------------------------

    def _extra(self) -> Mapping[str, object]:
        return {
            "balance": self.auto.view() if self.lease.held else None,
            "update": self.updates.newer,
            "devices": asked.view if (asked := self.devices.service) is not None else None,
        }

    def _queues(self) -> Mapping[str, int]:
        return {"log": self.logs.queued, "database": self.history.writer.waiting_rows}

    async def _settle(self) -> None:
        """Everything is counted and the snapshot is fresh: metrics are about to be read."""
        await self.publisher.refresh(rows=self.engine.config.worker_series > 0)
        self.events.settle()

    async def _fresh_snapshot(self) -> LiveSnapshot | None:
        await self.publisher.refresh()
        return store.current()

    # --- Faults of ours ---------------------------------------------------------------------------------------------

    def _loop_held(self, seconds: float, where: str) -> None:
        self.events.emit(LoopHeld(seconds=round(seconds, 3), where=where))


def _power_of_all() -> float | None:
    return power_of_all(store.current())


def _balance_view() -> object:
    """Auto-balance as the newest snapshot has it: threads read it there."""
    snap = store.current()
    return snap.extra.get("balance") if snap is not None else None


async def serve(options: Options, on_made: Callable[[Node], None]) -> bool:
    """Make a node, pass it to ``on_made`` (to connect signals) and run it to its end; whether it had drained."""
    node = Node(options)
    on_made(node)
    await node.run()
    return node.drained
