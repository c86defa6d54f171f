"""The task that keeps the broker informed and obeys its commands. Nothing of it is loaded while MQTT is off."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from aiomqtt import Client, Message, MqttError
from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from proxy.config.snapshot import MqttConfig
from proxy.models import Pool
from proxy.mqtt.commands import (
    Command,
    CommandError,
    CommandLimit,
    Pin,
    SetPercent,
    SwitchAutoBalance,
    parse,
    with_percent,
)
from proxy.mqtt.connection import OFFLINE, ONLINE, connected, reach, tls_context, topics_of
from proxy.mqtt.discovery import discoveries
from proxy.mqtt.outgoing import EMPTY, Outgoing, Retained
from proxy.mqtt.states import chosen, percents, states
from proxy.observe.events import EventStream, MqttCommand, MqttCommandIgnored, MqttConnected, MqttDisconnected
from proxy.observe.live.views import LiveSnapshot
from proxy.ops import steering
from proxy.ports import Clock
from proxy.types import WorkerName

SHORTEST_WAIT_S, LONGEST_WAIT_S = 2.0, 120.0
SHOWN = 100
"""Characters of a message that the log shows."""


class Broker:
    """Who steers by MQTT, as the audit log names them."""

    def get_username(self) -> str:
        """The name that is kept with the change."""
        return "MQTT"


class MqttService:
    """One broker, with one set of settings; ``run`` until it is cancelled or ``stop`` was called."""

    def __init__(
        self,
        config: MqttConfig,
        *,
        clock: Clock,
        events: EventStream,
        snapshot: Callable[[], Awaitable[LiveSnapshot | None]],
        shortest_wait_s: float = SHORTEST_WAIT_S,
    ) -> None:
        self._config = config
        self._topics = topics_of(config)
        self._clock, self._events, self._snapshot = clock, events, snapshot
        self._shortest_wait_s = shortest_wait_s
        self._address = f"{config.host}:{config.port}"
        self._limit = CommandLimit()
        self._published: tuple[WorkerName, ...] = ()
        self._outgoing = Outgoing(interval_s=config.interval_s)
        self._changed = asyncio.Event()
        """Set by a command: what it changed is published without waiting for the next round."""
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Say that the proxy is offline, and end ``run``."""
        self._stopping.set()
        self._changed.set()

    async def run(self) -> None:
        """Connect again and again; a broker that is gone is told in the log and harms nothing."""
        wait_s = self._shortest_wait_s
        while not self._stopping.is_set():
            try:
                context = await asyncio.to_thread(tls_context, self._config)
                await reach(self._config, context)
                async with connected(self._config, context) as client:
                    self._events.emit(MqttConnected(address=self._address))
                    wait_s = self._shortest_wait_s
                    await self._serve(client)
            except (OSError, MqttError, ValueError) as error:
                problem = str(error) or type(error).__name__
            else:
                return
            self._events.emit(
                MqttDisconnected(address=self._address, problem=problem[:SHOWN], retry_s=round(wait_s, 1))
            )
            try:
                await asyncio.wait_for(self._stopping.wait(), wait_s * random.uniform(0.8, 1.2))
            except TimeoutError:
                wait_s = min(LONGEST_WAIT_S, wait_s * 2)

    async def _serve(self, client: Client) -> None:
        self._outgoing = Outgoing(interval_s=self._config.interval_s)
        await client.subscribe([(each, 1) for each in self._topics.left_behind])
        await client.subscribe([(self._topics.status, 1), (self._topics.synced, 1)])
        if self._config.commands:
            await client.subscribe([(each, 1) for each in self._topics.commands])
        await client.publish(self._topics.synced, b"", qos=1)
        await client.publish(self._topics.status, ONLINE, qos=1, retain=True)
        try:
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(self._hear(client))
                await self._publish(client)
                hearing.cancel()
        except* MqttError as broken:
            raise MqttError(str(broken.exceptions[0])) from broken
        await client.publish(self._topics.status, OFFLINE, qos=1, retain=True)

    async def _publish(self, client: Client) -> None:
        while not self._stopping.is_set():
            live = await self._snapshot()
            if live is not None:
                for topic, message in self._outgoing.due(self._wanted(live), self._clock.now()):
                    await client.publish(topic, message.payload if message else EMPTY, qos=1, retain=True)
                    self._outgoing.sent(topic, message, self._clock.now())
            self._changed.clear()
            if self._stopping.is_set():
                return
            try:
                await asyncio.wait_for(self._changed.wait(), self._config.interval_s)
            except TimeoutError:
                continue

    def _wanted(self, live: LiveSnapshot) -> dict[str, Retained]:
        workers = chosen(live, self._published, self._config.max_workers)
        self._published = tuple(worker.name for worker in workers)
        wanted = states(live, self._topics, workers)
        if self._config.discovery:
            found = discoveries(live, self._topics, workers, commands=self._config.commands)
            wanted |= {topic: Retained(payload) for topic, payload in found.items()}
        return wanted

    # --- What comes in --------------------------------------------------------------------------------------------

    async def _hear(self, client: Client) -> None:
        async for message in client.messages:
            topic, payload = str(message.topic), _bytes(message)
            if topic == self._topics.synced:
                await client.unsubscribe(list(self._topics.left_behind))
            elif topic == self._topics.status:
                if payload != ONLINE:  # the last will of a connection before this one
                    await client.publish(topic, ONLINE, qos=1, retain=True)
            elif topic.endswith("/set"):
                await self._command(topic, payload, retained=bool(message.retain))
            elif message.retain and payload:
                self._outgoing.found(topic)
                self._changed.set()

    async def _command(self, topic: str, payload: bytes, *, retained: bool) -> None:
        shown = payload[:SHOWN].decode("utf-8", "backslashreplace")
        live = await self._snapshot()
        try:
            if retained:
                raise CommandError("it is retained: it would come again with each connection")
            if live is None:
                raise CommandError("the proxy is not ready yet")
            if not self._limit.lets(self._clock.now()):
                raise CommandError("too many commands")
            command = parse(topic, payload, self._topics, [pool.key for pool in live.pools], self._published)
            await sync_to_async(_carry_out, thread_sensitive=False)(command, percents(live))
        except CommandError as error:
            self._ignored(topic, shown, str(error))
        except ValidationError as error:
            self._ignored(topic, shown, " ".join(error.messages))
        except Pool.DoesNotExist:
            self._ignored(topic, shown, "there is no such pool")
        except DatabaseError as error:
            self._ignored(topic, shown, f"the database cannot be used: {error}")
        else:
            self._events.emit(MqttCommand(topic=topic, payload=shown))
            self._changed.set()

    def _ignored(self, topic: str, payload: str, reason: str) -> None:
        self._events.emit(MqttCommandIgnored(topic=topic[:SHOWN], payload=payload, reason=reason))


def _bytes(message: Message) -> bytes:
    payload = message.payload
    return bytes(payload) if isinstance(payload, bytes | bytearray) else str(payload).encode()


def _carry_out(command: Command, now: dict[str, float]) -> None:
    """Change what is asked for, unless it is so already. Blocks on the database."""
    before = steering.current_override()
    match command:
        case SetPercent(pool, percent):
            weights = with_percent(now, pool, percent)
            if before is None or before.until is not None or before.weights != weights:
                steering.set_weights(Broker(), weights)
        case SwitchAutoBalance(on):
            if on and before is not None and before.active and not before.weights:
                return
            steering.switch_auto_balance(Broker(), on)
        case Pin(worker, pool):
            steering.pin(Broker(), worker, pool)
