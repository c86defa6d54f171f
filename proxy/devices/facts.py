"""What a miner says of itself, and how its answers are made safe: everything in them is hostile until then."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from proxy.errors import DPMPError
from proxy.text import visible

MAX_NAME, MAX_SENTENCE, MAX_URL = 64, 120, 200
MOST_FANS, MOST_ERRORS = 16, 8
TERA = 1e12
COLDEST_C, HOTTEST_C = -40.0, 200.0
MOST_W, MOST_RPM, MOST_MHZ, MOST_V, MOST_RATE, MOST_S = 100_000.0, 100_000.0, 10_000.0, 1_000.0, 1e19, 1e10


class Api(StrEnum):
    """How a miner is asked."""

    AXEOS = "axeos"
    """AxeOS of ESP-Miner and its relatives (Bitaxe, NerdQAxe): HTTP, port 80."""
    CGMINER = "cgminer"
    """cgminer's API and its relatives (Avalon, Antminer, Braiins OS, LuxOS, Whatsminer): JSON over TCP, port 4028."""


PORTS: Mapping[Api, int] = {Api.AXEOS: 80, Api.CGMINER: 4028}


class DeviceError(DPMPError):
    """A miner cannot be read or set; the text says why, for the operator, and holds nothing that the miner wrote."""


class NoAnswer(DeviceError):
    """It cannot be reached, or did not answer in time."""


class Nonsense(DeviceError):
    """Its answer cannot be used: too large, no JSON, or not that of a miner."""


class NotAllowed(DeviceError):
    """It does not let us do that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one miner said; None or empty where it said nothing that can be believed."""

    api: Api
    model: str = ""
    firmware: str = ""
    hostname: str = ""
    user: str = ""
    """Its user on the pool that it uses, as it says."""
    pool: str = ""
    """The pool that it uses, ``host:port`` or an address, as it says."""
    hashrate: float | None = None
    """H/s."""
    power_w: float | None = None
    temperature_c: float | None = None
    """Its hottest chip, or board where it tells nothing of chips."""
    regulator_c: float | None = None
    """Its voltage regulator."""
    fans_rpm: tuple[int, ...] = ()
    fan_percent: float | None = None
    frequency_mhz: float | None = None
    voltage_v: float | None = None
    """Of its chips."""
    uptime_s: float | None = None
    errors: tuple[str, ...] = ()

    @property
    def joules_per_th(self) -> float | None:
        """Energy for 10**12 of its own hashes."""
        return joules_per_th(self.power_w, self.hashrate)

    @property
    def fan_stopped(self) -> bool:
        """A fan is at rest although the miner is at work (a fan that it wants at rest is no fault)."""
        wanted = self.fan_percent is None or self.fan_percent > 0
        return bool(self.fans_rpm) and min(self.fans_rpm) == 0 and wanted and bool(self.hashrate)


def joules_per_th(power_w: float | None, rate: float | None) -> float | None:
    """Joules for 10**12 hashes at ``rate`` H/s; None where one of the two is unknown or nothing."""
    if not power_w or not rate:
        return None
    found = power_w / (rate / TERA)
    return found if isfinite(found) else None


def cost_per_day(power_w: float | None, price_per_kwh: float) -> float | None:
    """What a day costs; None where the power is unknown or there is no price."""
    return power_w * 24 / 1000 * price_per_kwh if power_w is not None and price_per_kwh > 0 else None


def number(said: object, least: float, most: float) -> float | None:
    """``said`` as a number within limits, also from a text such as ``"1230 W"`` or ``"35%"``; else None."""
    if isinstance(said, str):
        said = said.strip()[:32].split(" ")[0].rstrip("%")
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return None
    try:
        found = float(said)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) and least <= found <= most else None


def positive(said: object, most: float) -> float | None:
    """``number`` from 0 on."""
    return number(said, 0.0, most)


def temperature(said: object) -> float | None:
    """Degrees Celsius; zero, minus one and minus 273 are what firmware says of a sensor that is not there."""
    found = number(said, COLDEST_C, HOTTEST_C)
    return None if found in (0.0, -1.0) else found


def text(said: object, most: int = MAX_NAME) -> str:
    """``said`` on one line without anything hidden, cut to ``most`` characters; empty where it is no text."""
    return visible(said[:most].strip().strip("'\""))[:most] if isinstance(said, str) else ""


def hottest(said: "list[object] | tuple[object, ...]") -> float | None:
    """The highest temperature among ``said``."""
    found = [each for each in map(temperature, said) if each is not None]
    return max(found) if found else None


def speeds(said: "list[object] | tuple[object, ...]") -> tuple[int, ...]:
    """Revolutions a minute of each fan that tells any."""
    found = (positive(each, MOST_RPM) for each in said[:MOST_FANS])
    return tuple(round(each) for each in found if each is not None)


def fields_of(said: object) -> Mapping[str, object]:
    """``said`` where it is an object; else an empty one."""
    return said if isinstance(said, dict) else {}


def json_object(answer: bytes) -> Mapping[str, object]:
    """``answer`` as an object; ``NaN`` and the like, which firmware does write, as None.

    Raises:
        Nonsense: it is none.
    """
    try:
        found = json.loads(answer.decode("utf-8", "replace"), parse_constant=lambda _: None, strict=False)
    except (ValueError, RecursionError) as error:
        raise Nonsense("The answer is no JSON.") from error
    if not isinstance(found, dict):
        raise Nonsense("The answer is no JSON object.")
    return found
