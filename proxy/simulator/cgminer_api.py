"""What a miner with cgminer's API tells of itself, simulated as an Avalon answers (cgminer 4.11.1)."""

import asyncio
import json

from proxy.simulator.device import MAX_REQUEST, DeviceApi

_OK = {"STATUS": "S", "Code": 11, "Msg": "ok", "Description": "cgminer 4.11.1"}
_DENIED = {"STATUS": [{"STATUS": "E", "Code": 45, "Msg": "Access denied to command", "Description": "cgminer 4.11.1"}]}


class CgminerApi(DeviceApi):
    """Version, summary, ``estats`` and pools; the commands that change pools where it is privileged."""

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        """One command in JSON."""
        asked = json.loads(await reader.read(MAX_REQUEST))
        return json.dumps(self._answered(str(asked["command"]), str(asked.get("parameter", "")))).encode() + b"\x00"

    def _answered(self, command: str, parameter: str) -> dict[str, object]:
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
