"""What miners tell of themselves, simulated: AxeOS by HTTP, cgminer's API by TCP, each as its firmware answers."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_REQUEST = 16_384
REQUEST_S = 5.0
_OK = {"STATUS": "S", "Code": 11, "Msg": "ok", "Description": "cgminer 4.11.1"}
_DENIED = {"STATUS": [{"STATUS": "E", "Code": 45, "Msg": "Access denied to command", "Description": "cgminer 4.11.1"}]}


@dataclass(slots=True)
class SimDevice:
    """A miner's own view of itself; its figures may be changed while it runs."""

    model: str = "BM1370"
    host: str = "127.0.0.1"
    """Of the pool that it mines on."""
    port: int = 3351
    user: str = "demo.worker"
    watts: float = 15.0
    celsius: float = 58.0
    rpm: int = 4200
    frequency: float = 525.0
    hashrate: Callable[[], float] = lambda: 1.2e12
    """H/s now."""
    privileged: bool = True
    """Whether cgminer's API lets anybody change something."""
    moved: Callable[[str, int], None] = lambda host, port: None
    """Called when it is to mine elsewhere."""
    pools: list[tuple[str, str]] = field(default_factory=list)
    """cgminer's further pools: URL and user; number 0 is the one that it began with."""
    used: int = 0
    asked: int = 0
    started: float = field(default_factory=time.monotonic)

    def uptime(self) -> int:
        """Seconds since it was made."""
        return int(time.monotonic() - self.started)

    def move(self, url: str) -> None:
        """Mine at ``stratum+tcp://host:port``."""
        host, _, port = url.rpartition("//")[2].rpartition(":")
        self.moved(host, int(port))


class AxeOsApi:
    """``GET /api/system/info``, ``PATCH /api/system``, ``POST /api/system/restart`` (ESP-Miner, http_server.c)."""

    def __init__(self, device: SimDevice) -> None:
        self.device = device
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port. Raises ``OSError``: it is taken."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_REQUEST)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lengths = [
                    line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-length:")
                ]
                body = await reader.readexactly(min(int(lengths[0]), MAX_REQUEST)) if lengths else b""
                status, answer = self._answer(head.partition(" HTTP/")[0], body)
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n"
                    "Connection: close\r\n\r\n".encode()
                    + answer
                )
                await writer.drain()
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _answer(self, request: str, body: bytes) -> tuple[str, bytes]:
        device = self.device
        device.asked += 1
        if request == "GET /api/system/info":
            return "200 OK", json.dumps(self._info()).encode()
        if request == "PATCH /api/system":
            wanted = json.loads(body)
            device.host = str(wanted.get("stratumURL", device.host))
            device.port = int(wanted.get("stratumPort", device.port))
            return "200 OK", b""
        if request == "POST /api/system/restart":
            device.moved(device.host, device.port)
            return "200 OK", b"System will restart shortly."
        return "404 Not Found", b""

    def _info(self) -> dict[str, object]:
        device = self.device
        return {
            "power": device.watts,
            "voltage": 5100.0,
            "temp": device.celsius,
            "vrTemp": device.celsius - 8,
            "hashRate": device.hashrate() / 1e9,
            "coreVoltageActual": 1150,
            "frequency": device.frequency,
            "hostname": device.user.rpartition(".")[2],
            "stratumURL": device.host,
            "stratumPort": device.port,
            "stratumUser": device.user,
            "isUsingFallbackStratum": 0,
            "version": "v2.10.0",
            "boardVersion": "601",
            "ASICModel": device.model,
            "uptimeSeconds": device.uptime(),
            "overheat_mode": 0,
            "fanspeed": 60,
            "fanrpm": device.rpm,
        }


class CgminerApi:
    """cgminer's API as an Avalon has it (``estats``), with the commands that change pools where it is privileged."""

    def __init__(self, device: SimDevice) -> None:
        self.device = device
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port. Raises ``OSError``: it is taken."""
        self._server = await asyncio.start_server(self._serve, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S):
                asked = json.loads(await reader.read(MAX_REQUEST))
                answer = self._answer(str(asked["command"]), str(asked.get("parameter", "")))
                writer.write(json.dumps(answer).encode() + b"\x00")
                await writer.drain()
        except (OSError, ValueError, KeyError, TypeError, TimeoutError):
            pass
        finally:
            writer.close()

    def _answer(self, command: str, parameter: str) -> dict[str, object]:
        device = self.device
        device.asked += 1
        rate = device.hashrate()
        if command == "version":
            return {"STATUS": [_OK], "VERSION": [{"CGMiner": "4.11.1", "API": "3.7", "PROD": device.model}]}
        if command == "summary":
            return {"STATUS": [_OK], "SUMMARY": [{"Elapsed": device.uptime(), "MHS 5s": rate / 1e6}]}
        if command == "estats":
            line = (
                f"Ver[{device.model}-24] SYSTEMSTATU[Work: In Work, Hash Board: 1] ITemp[-273] TMax[{device.celsius}] "
                f"Fan1[{device.rpm}] FanR[60%] PS[0 0 27541 4 0 3756 {device.watts}] GHSspd[{rate / 1e9}] "
                f"Freq[{device.frequency}] ECHU[0] ECMM[0]"
            )
            return {"STATUS": [_OK], "STATS": [{"STATS": 0, "ID": "AVALON0", "MM ID0": line}]}
        if command == "pools":
            return {"STATUS": [_OK], "POOLS": [self._pool(number, *pool) for number, pool in enumerate(self._pools())]}
        if command in ("privileged", "addpool", "switchpool", "removepool"):
            return self._privileged(command, parameter) if device.privileged else dict(_DENIED)
        return {"STATUS": [{"STATUS": "E", "Code": 14, "Msg": "Invalid command", "Description": "cgminer 4.11.1"}]}

    def _pools(self) -> list[tuple[str, str]]:
        return [(f"stratum+tcp://{self.device.host}:{self.device.port}", self.device.user), *self.device.pools]

    def _pool(self, number: int, url: str, user: str) -> dict[str, object]:
        used = number == self.device.used
        return {"POOL": number, "URL": url, "User": user, "Status": "Alive", "Stratum Active": used}

    def _privileged(self, command: str, parameter: str) -> dict[str, object]:
        device = self.device
        if command == "addpool":
            url, user, _password = parameter.split(",")
            device.pools.append((url, user))
        if command == "switchpool":
            device.used = int(parameter)
            device.move(self._pools()[device.used][0])
        if command == "removepool":
            del device.pools[int(parameter) - 1]
        return {"STATUS": [_OK]}
