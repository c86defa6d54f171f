"""A real mosquitto for one test: with password, with TLS, stopped and started again; and a second client that looks."""

import asyncio
import getpass
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiomqtt import Client

from proxy.net.tasks import spawn
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port
from tests.support.tls import CERTIFICATE, KEY, write_certificate

USER, PASSWORD = "dpmp", "broker's secret"
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
needs_mosquitto = pytest.mark.skipif(not Path(MOSQUITTO).exists(), reason="mosquitto is not installed")


class Broker:
    """Listens on ``port``; with ``tls`` for the name localhost only, by a certificate of its own (``ca``)."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        self.port, self._folder = steady_port(), folder
        self._process: subprocess.Popen[bytes] | None = None
        self.ca = str(folder / CERTIFICATE) if tls else ""
        passwords = folder / "passwords"
        made = [shutil.which("mosquitto_passwd") or "mosquitto_passwd", "-b", "-c", str(passwords), USER, PASSWORD]
        subprocess.run(made, check=True, capture_output=True)
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {passwords}",
            "persistence false",
            f"user {getpass.getuser()}",  # started by root it would read no file of a test
        ]
        if tls:
            write_certificate(folder, "localhost")
            lines += [f"certfile {folder / CERTIFICATE}", f"keyfile {folder / KEY}"]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    async def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    _reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert self._process.poll() is None, "mosquitto has ended"
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    def stop(self) -> None:
        """End it at once; it forgets all retained messages."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Onlooker:
    """Hears everything on the broker and remembers the newest message of each topic; sends what a test says."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.held: dict[str, bytes] = {}
        self.heard: list[tuple[str, bytes]] = []
        """All messages, for what is replaced at once."""
        self._news = asyncio.Event()

    async def listen(self) -> None:
        await self.client.subscribe("#", qos=1)
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            self.heard.append((str(message.topic), message.payload))
            if message.payload:
                self.held[str(message.topic)] = message.payload
            else:
                self.held.pop(str(message.topic), None)
            self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what is held is as ``holds`` says."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def state(self, topic: str) -> dict[str, Any]:
        """The newest state; empty where there is none."""
        return json.loads(self.held.get(topic, b"{}"))

    async def say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        await self.client.publish(topic, payload, qos=1, retain=retain)


@asynccontextmanager
async def onlooker(broker: Broker) -> AsyncIterator[Onlooker]:
    """A client that knows the password."""
    context = None
    if broker.ca:
        context = ssl.create_default_context(cafile=broker.ca)
    async with Client(
        "localhost" if broker.ca else "127.0.0.1", broker.port, username=USER, password=PASSWORD, tls_context=context
    ) as client:
        looking = Onlooker(client)
        listening = spawn(looking.listen(), name="onlooker")
        try:
            yield looking
        finally:
            listening.cancel()
