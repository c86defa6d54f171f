"""AxeOS: what ``GET /api/system/info`` answers, and what ``PATCH /api/system`` takes.

SOURCE: bitaxeorg/ESP-Miner, main/http_server/openapi.yaml and http_server.c (v2.6 to v2.14): ``hashRate`` is in GH/s,
``voltage`` and ``coreVoltageActual`` in mV, ``frequency`` in MHz, ``power`` in W; ``temp`` is -1 while the chip cannot
be read; a second chip is ``temp2``, a second fan ``fan2rpm``. shufps/ESP-Miner-NerdQAxePlus: ``fans`` is a list there
in newer versions, ``deviceModel`` the product. Passwords of pools can be written and are never told.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.devices import facts
from proxy.devices.facts import Api, Facts, Nonsense, fields_of, number, positive, temperature, text

OVERHEATED = "overheat mode"
_GIGA = 1e9
_MILLI = 1e-3
_REQUIRED = ("ASICModel", "stratumURL", "hashRate")
"""What all versions tell, and no other device does."""


@dataclass(frozen=True, slots=True)
class PoolSetting:
    """Where a miner of AxeOS mines."""

    host: str
    port: int
    tls: bool | int | None = None
    """``stratumTLS``: a flag or a kind of TLS, as the firmware has it; None: it knows no TLS."""
    protocol: str | None = None
    """``stratumProtocol`` of newer versions, ``SV1`` or ``SV2``; None: it knows one alone."""

    def moved_to(self, host: str, port: int) -> "PoolSetting":
        """The same miner on a plain Stratum V1 port."""
        tls = None if self.tls is None else type(self.tls)(0)
        return PoolSetting(host, port, tls, None if self.protocol is None else "SV1")

    def as_patch(self) -> dict[str, object]:
        """What is written. User and password stay as they are, so that nothing is lost that cannot be read."""
        patch: dict[str, object] = {"stratumURL": self.host, "stratumPort": self.port}
        if self.tls is not None:
            patch["stratumTLS"] = self.tls
        if self.protocol is not None:
            patch["stratumProtocol"] = self.protocol
        return patch


def facts_of(answer: object) -> Facts:
    """The facts in an answer.

    Raises:
        Nonsense: it is none of AxeOS.
    """
    info = _info(answer)
    rate = positive(info.get("hashRate"), facts.MOST_RATE / _GIGA)
    core = positive(info.get("coreVoltageActual"), facts.MOST_V / _MILLI)
    percent = number(info.get("fanspeed"), 0.0, 100.0)
    return Facts(
        api=Api.AXEOS,
        model=text(info.get("deviceModel")) or " ".join(filter(None, (_board(info), text(info.get("ASICModel"))))),
        firmware=text(info.get("version")),
        hostname=text(info.get("hostname")),
        user=text(_in_use(info, "stratumUser"), facts.MAX_URL),
        pool=_pool(info),
        hashrate=None if rate is None else rate * _GIGA,
        power_w=positive(info.get("power"), facts.MOST_W),
        temperature_c=facts.hottest((info.get("temp"), info.get("temp2"))),
        regulator_c=temperature(info.get("vrTemp")),
        fans_rpm=_fans(info),
        fan_percent=percent,
        frequency_mhz=positive(info.get("frequency"), facts.MOST_MHZ),
        voltage_v=None if core is None else core * _MILLI,
        uptime_s=positive(info.get("uptimeSeconds"), facts.MOST_S),
        errors=tuple(_errors(info)),
    )


def pool_of(answer: object) -> PoolSetting:
    """The first pool that it is set to.

    Raises:
        Nonsense: it names none that can be written back.
    """
    info = _info(answer)
    host, port = info.get("stratumURL"), number(info.get("stratumPort"), 1, 65535)
    if not isinstance(host, str) or not 0 < len(host) <= facts.MAX_URL or not host.isprintable() or port is None:
        raise Nonsense("The miner does not tell the pool that it is set to.")
    tls, protocol = info.get("stratumTLS"), info.get("stratumProtocol")
    return PoolSetting(
        host,
        int(port),
        tls if isinstance(tls, int) and 0 <= tls <= 9 else None,
        protocol if protocol in ("SV1", "SV2") else None,
    )


def _info(answer: object) -> Mapping[str, object]:
    info = fields_of(answer)
    if not all(name in info for name in _REQUIRED):
        raise Nonsense("The answer is not that of AxeOS.")
    return info


def _board(info: Mapping[str, object]) -> str:
    board = text(info.get("boardVersion"), 16)
    return f"Bitaxe {board}" if board else ""


def _in_use(info: Mapping[str, object], name: str) -> object:
    fallback = info.get("isUsingFallbackStratum") in (1, True)
    return info.get(f"fallback{name[0].upper()}{name[1:]}") if fallback else info.get(name)


def _pool(info: Mapping[str, object]) -> str:
    host, port = text(_in_use(info, "stratumURL"), facts.MAX_URL), number(_in_use(info, "stratumPort"), 1, 65535)
    return f"{host}:{int(port)}" if host and port is not None else host


def _fans(info: Mapping[str, object]) -> tuple[int, ...]:
    listed = info.get("fans")
    if isinstance(listed, list) and listed:
        return facts.speeds([fields_of(each).get("rpm") for each in listed])
    return facts.speeds([info.get(name) for name in ("fanrpm", "fan2rpm") if info.get(name) is not None][:2])


def _errors(info: Mapping[str, object]) -> list[str]:
    found = [
        text(info.get("power_fault"), facts.MAX_SENTENCE),
        text(info.get("hardware_fault_msg"), facts.MAX_SENTENCE),
    ]
    if positive(info.get("overheat_mode"), 10):
        found.append(OVERHEATED)
    if info.get("isUsingFallbackStratum") in (1, True):
        found.append("on its fallback pool")
    return [each for each in found if each][: facts.MOST_ERRORS]
