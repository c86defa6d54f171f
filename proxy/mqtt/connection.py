"""Connects to the broker: the client with its last will, and a try that says in words what is wrong."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from proxy.config.snapshot import MqttConfig
from proxy.mqtt.topics import Topics

if TYPE_CHECKING:
    from aiomqtt import Client

OFFLINE, ONLINE = b"offline", b"online"
TIMEOUT_S = 10.0
KEEPALIVE_S = 20
MAX_PACKET = 16_384
"""Bytes of the largest message that the broker may send us; our own are not limited by it."""
MOST_QUEUED = 2_000
"""Messages that wait to be read; more are discarded."""


def topics_of(config: MqttConfig) -> Topics:
    """The topics of ``config``."""
    return Topics(config.base_topic, config.discovery_prefix)


def tls_context(config: MqttConfig) -> ssl.SSLContext | None:
    """None without TLS. Blocks on the files. Raises ``OSError``: they cannot be used."""
    if not config.tls:
        return None
    try:
        return ssl.create_default_context(cafile=config.ca or None)
    except ssl.SSLError as error:
        raise OSError(f"{config.ca} is no certificate in PEM") from error
    except OSError as error:
        raise OSError(f"{config.ca} cannot be read: {error.strerror or error}") from error


async def reach(config: MqttConfig, context: ssl.SSLContext | None) -> None:
    """Connect and close again: what hangs or is refused ends here, where it can be cancelled and holds no thread.

    Raises:
        OSError: with a sentence.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _reader, writer = await asyncio.open_connection(
                config.host, config.port, ssl=context, server_hostname=config.host if context else None
            )
    except TimeoutError as error:
        raise OSError("no answer") from error
    except ssl.SSLCertVerificationError as error:
        raise OSError(f"the certificate is not trusted: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise OSError("it does not speak TLS there") from error
    except socket.gaierror as error:
        raise OSError("there is no such host") from error
    except OSError as error:
        raise OSError(os.strerror(error.errno) if error.errno else str(error)) from error
    writer.transport.abort()


def make_client(config: MqttConfig, context: ssl.SSLContext | None, *, identifier: str = "") -> "Client":
    """A client of the broker, not connected yet; with ``identifier`` it has no last will."""
    from aiomqtt import Client, ProtocolVersion, Will
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    topics = topics_of(config)
    limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    limits.MaximumPacketSize = MAX_PACKET
    return Client(
        config.host,
        config.port,
        username=config.username or None,
        password=config.password or None,
        identifier=identifier or f"dpmp-{topics.node}",
        protocol=ProtocolVersion.V5,
        will=None if identifier else Will(topics.status, OFFLINE, qos=1, retain=True),
        timeout=TIMEOUT_S,
        keepalive=KEEPALIVE_S,
        tls_context=context,
        properties=limits,
        max_queued_incoming_messages=MOST_QUEUED,
        max_queued_outgoing_messages=MOST_QUEUED,
    )


@asynccontextmanager
async def connected(
    config: MqttConfig, context: ssl.SSLContext | None, *, identifier: str = ""
) -> AsyncIterator["Client"]:
    """``make_client``, connected. Raises ``MqttError``: it was refused, or the connection broke."""
    client = make_client(config, context, identifier=identifier)
    try:
        async with client:
            yield client
    finally:
        # aiomqtt 2.5 leaves the reason in a future; what nobody reads would be told as a fault of ours.
        ended = getattr(client, "_disconnected", None)
        if isinstance(ended, asyncio.Future) and ended.done() and not ended.cancelled():
            ended.exception()


async def try_broker(config: MqttConfig) -> str:
    """Connect, publish and hear one message; returns what is wrong, or nothing."""
    from aiomqtt import MqttError

    test = f"{config.base_topic}/test"
    try:
        context = await asyncio.to_thread(tls_context, config)
        await reach(config, context)
        async with (
            asyncio.timeout(TIMEOUT_S),
            connected(config, context, identifier=f"dpmp-test-{topics_of(config).node}") as client,
        ):
            await client.subscribe(test, qos=1)
            await client.publish(test, b"test", qos=1)
            async for message in client.messages:
                if str(message.topic) == test:
                    return ""
        return "the connection broke"  # pragma: no cover - the iteration above ends by an error alone
    except TimeoutError:
        return "connected, but what is published does not come back: may this user read and write below the base topic?"
    except (OSError, MqttError, ValueError) as error:
        return str(error) or type(error).__name__
