"""What an AxeOS miner tells of itself by HTTP, simulated as ESP-Miner answers (its http_server.c)."""

import asyncio
import json

from proxy.simulator.device import MAX_REQUEST, DeviceApi


class AxeOsApi(DeviceApi):
    """``GET /api/system/info``, ``PATCH /api/system``, ``POST /api/system/restart``."""

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        """One HTTP request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lengths = [line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        body = await reader.readexactly(min(int(lengths[0]), MAX_REQUEST)) if lengths else b""
        status, said = self._answered(head.partition(" HTTP/")[0], body)
        fields = f"Content-Type: application/json\r\nContent-Length: {len(said)}\r\nConnection: close"
        return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + said

    def _answered(self, request: str, body: bytes) -> tuple[str, bytes]:
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
