"""The proxy and a real mosquitto: states, descriptions, commands, the last will, a broker that comes and goes."""

import asyncio
import errno
import gc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from dashboard.models import AuditEntry
from proxy.config.snapshot import MqttConfig
from proxy.models import Pool, Wallet, WorkerPin
from proxy.mqtt.connection import try_broker
from proxy.mqtt.service import MqttService
from proxy.mqtt.states import NOT_PINNED
from proxy.mqtt.switch import mqtt_switch
from proxy.net.clock import LoopClock
from proxy.net.tasks import spawn
from proxy.observe.events import EventStream, MqttCommand, MqttCommandIgnored, MqttConnected, MqttDisconnected
from proxy.observe.live.views import LiveSnapshot
from proxy.ops import steering
from tests.dashboard import fixtures
from tests.mqtt.broker import PASSWORD, USER, Broker, Onlooker, needs_mosquitto, onlooker
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

pytestmark = [needs_mosquitto, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pools() -> None:
    for key in ("A", "B"):
        wallet = Wallet(label=key, chain="BTC", kind="account", address=f"ownername{key}")
        wallet.save()
        Pool(key=key, name=f"Pool {key}", chain="BTC", wallet=wallet).save()


class Stage:
    """A service on a broker, with a snapshot that a test can change."""

    def __init__(self, config: MqttConfig) -> None:
        self.live: LiveSnapshot | None = fixtures.rich()
        self.events, self.told = EventStream(), []
        for kind in (MqttConnected, MqttDisconnected, MqttCommand, MqttCommandIgnored):
            self.events.subscribe(kind, self._tell)
        self._news = asyncio.Event()
        self.service = MqttService(
            config,
            clock=LoopClock(asyncio.get_running_loop()),
            events=self.events,
            snapshot=self.snapshot,
            shortest_wait_s=0.05,
        )

    told: list[Any]

    async def snapshot(self) -> LiveSnapshot | None:
        return self.live

    def _tell(self, event: Any) -> None:
        self.told.append(event)
        self._news.set()

    async def until(self, holds: Callable[[Any], bool]) -> Any:
        """Wait for an event; it is taken from the list."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [event for event in self.told if holds(event)]):
                self._news.clear()
                await self._news.wait()
        self.told.remove(found[0])
        return found[0]


def config(broker: Broker, **changes: Any) -> MqttConfig:
    fields: dict[str, Any] = {
        "host": "localhost" if broker.ca else "127.0.0.1",
        "port": broker.port,
        "tls": bool(broker.ca),
        "ca": broker.ca,
        "username": USER,
        "password": PASSWORD,
        "interval_s": 0.05,
    }
    return MqttConfig(**(fields | changes))


@asynccontextmanager
async def running(folder: Path, **changes: Any) -> AsyncIterator[tuple[Stage, Onlooker, Broker]]:
    """Broker, onlooker and service."""
    broker = Broker(folder, tls=changes.pop("with_tls", False))
    await broker.start()
    try:
        async with onlooker(broker) as looking:
            stage = Stage(config(broker, **changes))
            running = spawn(stage.service.run(), name="mqtt")
            try:
                yield stage, looking, broker
            finally:
                stage.service.stop()
                await asyncio.wait_for(running, PATIENCE_S)
    finally:
        broker.stop()


def is_late_watch(fault: Mapping[str, object]) -> bool:
    """aiomqtt 2.5 has the loop watch a socket in a turn to come, by when a disconnect can have closed it. Harmless."""
    error = fault.get("exception")
    return isinstance(error, OSError) and error.errno == errno.EBADF and "add_writer" in str(fault.get("message"))


def run(scene: Callable[[Stage, Onlooker, Broker], Any], folder: Path, **changes: Any) -> None:
    async def play() -> None:
        faults: list[Mapping[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
        async with running(folder, **changes) as (stage, looking, broker):
            await scene(stage, looking, broker)
        gc.collect()  # an exception that nobody read is told when its future goes
        assert not [fault for fault in faults if not is_late_watch(fault)]

    asyncio.run(play())


@pytest.mark.parametrize("with_tls", [False, True])
def test_states_and_descriptions_come_with_password_and_tls_and_go_offline_at_the_end(
    tmp_path: Path, with_tls: bool
) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        await looking.until(lambda: looking.held.get("dpmp/status") == b"online")
        await looking.until(lambda: "homeassistant/device/dpmp/worker_AvalonQ/config" in looking.held)
        await looking.until(lambda: bool(looking.state("dpmp/worker/AvalonQ/state")))
        assert looking.state("dpmp/pool/A/state")["percent"] == 70.0
        described = looking.state("homeassistant/device/dpmp/proxy/config")
        assert described["components"]["auto_balance"]["command_topic"] == "dpmp/auto_balance/set"
        stage.service.stop()
        await looking.until(lambda: looking.held.get("dpmp/status") == b"offline")

    run(scene, tmp_path, with_tls=with_tls)


@pytest.mark.no_cover
def test_a_change_is_published_and_a_worker_that_went_is_removed_from_home_assistant(tmp_path: Path) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        gone = "homeassistant/device/dpmp/worker_BitAxe1/config"
        await looking.until(lambda: gone in looking.held and "dpmp/worker/BitAxe1/state" in looking.held)
        assert stage.live is not None
        stay = tuple(worker for worker in stage.live.workers if worker.name != "BitAxe1")
        stage.live = replace(stage.live, workers=stay, sessions=77)
        await looking.until(lambda: looking.state("dpmp/state")["miners"] == 77)
        await looking.until(lambda: gone not in looking.held and "dpmp/worker/BitAxe1/state" not in looking.held)

    run(scene, tmp_path)


@pytest.mark.no_cover
def test_what_an_earlier_run_left_on_the_broker_is_removed(tmp_path: Path) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        left = ["homeassistant/device/dpmp/worker_old/config", "dpmp/worker/old/state", "dpmp/pool/Z/state"]
        others = "homeassistant/device/other/thing/config"
        await stage.until(lambda event: isinstance(event, MqttConnected))
        stage.service.stop()
        for topic in [*left, others]:
            await looking.say(topic, "{}", retain=True)
        await looking.until(lambda: all(topic in looking.held for topic in left))
        again = Stage(config(broker))
        running = spawn(again.service.run(), name="mqtt")
        await looking.until(lambda: not [topic for topic in left if topic in looking.held])
        assert others in looking.held
        again.service.stop()
        await running

    run(scene, tmp_path)


def test_commands_steer_as_the_pages_do_and_are_in_the_audit_log(tmp_path: Path, pools: None) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        await looking.until(lambda: "dpmp/worker/AvalonQ/state" in looking.held)
        for topic, payload in (
            ("dpmp/pool/A/percent/set", "40"),
            ("dpmp/worker/AvalonQ/pin/set", "B"),
            ("dpmp/worker/AvalonQ/pin/set", NOT_PINNED),
            ("dpmp/auto_balance/set", "ON"),
        ):
            await looking.say(topic, payload)
            await stage.until(lambda event, p=payload: isinstance(event, MqttCommand) and event.payload == p)

    run(scene, tmp_path)
    said = [(entry.who, entry.action, entry.subject, entry.new) for entry in AuditEntry.objects.order_by("pk")]
    assert [who for who, *_rest in said] == ["MQTT"] * 4
    assert [(action, subject) for _who, action, subject, _new in said] == [
        ("weights", ""),
        ("pin", "AvalonQ"),
        ("pin", "AvalonQ"),
        ("auto-balance", ""),
    ]
    override = steering.current_override()
    assert override is not None and override.kind == "auto-balance" and not WorkerPin.objects.exists()


@pytest.mark.no_cover
def test_the_split_is_set_once_however_often_it_is_asked_for(tmp_path: Path, pools: None) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        await looking.until(lambda: "dpmp/state" in looking.held)
        for _again in range(3):
            await looking.say("dpmp/pool/A/percent/set", "40")
            await stage.until(lambda event: isinstance(event, MqttCommand))

    run(scene, tmp_path)
    override = steering.current_override()
    assert override is not None and override.weights == {"A": 40.0, "B": 60.0}
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    "topic, payload, retain, reason",
    [
        ("dpmp/pool/A/percent/set", "40", True, "retained"),
        ("dpmp/pool/A/percent/set", "a lot", False, "no number"),
        ("dpmp/pool/C/percent/set", "40", False, "no such pool"),
        ("dpmp/pool/A/percent/set", "9" * 15_000, False, "longer than"),
        ("dpmp/auto_balance/set", "maybe", False, "neither"),
        ("dpmp/pool/B/percent/set", "100", False, ""),  # no row of a pool: what the page would refuse
    ],
)
def test_what_is_no_command_is_told_in_the_log_and_ignored(
    tmp_path: Path, topic: str, payload: str, retain: bool, reason: str
) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        await looking.until(lambda: "dpmp/state" in looking.held)
        await looking.say(topic, payload, retain=retain)
        if retain:  # it comes as a retained one with the next connection only
            await stage.until(lambda event: isinstance(event, (MqttCommand, MqttCommandIgnored)))
            again = Stage(config(broker))
            stage.service.stop()
            running = spawn(again.service.run(), name="mqtt")
            ignored = await again.until(lambda event: isinstance(event, MqttCommandIgnored))
            again.service.stop()
            await running
        else:
            ignored = await stage.until(lambda event: isinstance(event, MqttCommandIgnored))
        assert reason in ignored.reason and len(ignored.payload) <= 100

    run(scene, tmp_path)
    assert not AuditEntry.objects.exists()


@pytest.mark.no_cover
def test_a_message_that_is_far_too_large_never_comes_in(tmp_path: Path) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        await looking.until(lambda: "dpmp/state" in looking.held)
        await looking.say("dpmp/auto_balance/set", "x" * 200_000)
        await looking.say("dpmp/auto_balance/set", "next")
        ignored = await stage.until(lambda event: isinstance(event, MqttCommandIgnored))
        assert ignored.payload == "next"

    run(scene, tmp_path)


def test_without_commands_nothing_is_obeyed(tmp_path: Path, pools: None) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        await looking.until(lambda: "dpmp/state" in looking.held)
        await looking.say("dpmp/auto_balance/set", "ON")
        assert stage.live is not None
        stage.live = replace(stage.live, sessions=55)
        await looking.until(lambda: looking.state("dpmp/state")["miners"] == 55)
        assert not [event for event in stage.told if isinstance(event, (MqttCommand, MqttCommandIgnored))]

    run(scene, tmp_path, commands=False)
    assert steering.current_override() is None


@pytest.mark.no_cover
def test_without_discovery_home_assistant_is_told_nothing(tmp_path: Path) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        await looking.until(lambda: "dpmp/worker/AvalonQ/state" in looking.held)
        assert not [topic for topic in looking.held if topic.startswith("homeassistant/")]

    run(scene, tmp_path, discovery=False)


def test_a_broker_that_went_is_found_again_and_gets_everything_anew(tmp_path: Path) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        await looking.until(lambda: "dpmp/state" in looking.held)
        broker.stop()
        lost = await stage.until(lambda event: isinstance(event, MqttDisconnected))
        assert lost.problem
        await stage.until(lambda event: isinstance(event, MqttDisconnected))
        stage.told.clear()
        await broker.start()
        await stage.until(lambda event: isinstance(event, MqttConnected))
        async with onlooker(broker) as second:
            await second.until(lambda: "dpmp/worker/AvalonQ/state" in second.held and "dpmp/status" in second.held)
            assert second.held["dpmp/status"] == b"online"

    run(scene, tmp_path)


@pytest.mark.no_cover
def test_another_ones_last_will_is_answered(tmp_path: Path) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        await looking.until(lambda: looking.held.get("dpmp/status") == b"online")
        looking.heard.clear()
        await looking.say("dpmp/status", "offline", retain=True)
        await looking.until(lambda: ("dpmp/status", b"online") in looking.heard)
        assert [said for topic, said in looking.heard if topic == "dpmp/status"] == [b"offline", b"online"]

    run(scene, tmp_path)


@pytest.mark.no_cover
def test_the_broker_says_that_a_proxy_whose_connection_broke_is_offline(tmp_path: Path) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        ends: list[asyncio.StreamWriter] = []

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", broker.port)
            ends.extend((writer, there_writer))

            async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                with suppress(OSError):
                    while data := await source.read(65536):
                        sink.write(data)

            await asyncio.gather(pass_on(reader, there_writer), pass_on(there_reader, writer))

        line = await asyncio.start_server(relay, "127.0.0.1", steady_port())
        far = Stage(replace(config(broker, base_topic="far"), port=line.sockets[0].getsockname()[1]))
        running = spawn(far.service.run(), name="mqtt")
        await looking.until(lambda: looking.held.get("far/status") == b"online")
        line.close()
        for end in ends:
            end.transport.abort()
        await looking.until(lambda: looking.held.get("far/status") == b"offline")
        far.service.stop()
        await running

    run(scene, tmp_path)


def test_a_test_of_the_connection_says_what_is_wrong(tmp_path: Path) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        good = config(broker)
        assert await try_broker(good) == ""
        assert "uthori" in await try_broker(replace(good, password="wrong"))
        assert "not trusted" in await try_broker(replace(good, ca=""))
        assert "cannot be read" in await try_broker(replace(good, ca="/nowhere"))
        junk = tmp_path / "junk.pem"
        junk.write_text("no certificate")
        assert "no certificate" in await try_broker(replace(good, ca=str(junk)))
        assert "no such host" in await try_broker(replace(good, host="nowhere.invalid"))
        assert "refused" in (await try_broker(replace(good, port=1))).lower()

    run(scene, tmp_path, with_tls=True)


@pytest.mark.no_cover
def test_tls_to_a_port_without_it_is_a_problem(tmp_path: Path) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        assert await try_broker(replace(config(broker), tls=True)) != ""

    run(scene, tmp_path)


def test_the_switch_starts_changes_and_ends_the_connection(tmp_path: Path) -> None:
    async def play() -> None:
        broker = Broker(tmp_path)
        await broker.start()
        try:
            async with onlooker(broker) as looking:
                failures: list[object] = []

                async def snapshot() -> LiveSnapshot:
                    return fixtures.rich()

                switch = mqtt_switch(
                    clock=LoopClock(asyncio.get_running_loop()),
                    events=EventStream(),
                    snapshot=snapshot,
                    report=lambda name, error: failures.append((name, error)),
                )
                switch.apply(None)
                switch.apply(config(broker))
                switch.apply(config(broker))
                await looking.until(lambda: looking.held.get("dpmp/status") == b"online")
                switch.apply(config(broker, base_topic="other"))
                await looking.until(lambda: looking.held.get("dpmp/status") == b"offline")
                await looking.until(lambda: looking.held.get("other/status") == b"online")
                await switch.close()
                await looking.until(lambda: looking.held.get("other/status") == b"offline")
                assert not failures
        finally:
            broker.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the proxy's own loop
        runner.run(play())


def test_a_proxy_that_is_not_ready_publishes_nothing_and_obeys_nothing(tmp_path: Path) -> None:
    async def scene(stage: Stage, looking: Onlooker, broker: Broker) -> None:
        stage.live = None
        await stage.until(lambda event: isinstance(event, MqttConnected))
        await looking.until(lambda: looking.held.get("dpmp/status") == b"online")
        await looking.say("dpmp/auto_balance/set", "ON")
        ignored = await stage.until(lambda event: isinstance(event, MqttCommandIgnored))
        assert "not ready" in ignored.reason
        assert "dpmp/state" not in looking.held

    run(scene, tmp_path)
