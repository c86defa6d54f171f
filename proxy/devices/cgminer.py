"""cgminer's API and its relatives: which commands are asked, and what their answers say.

SOURCE: cgminer 4.11.1, API-README and api.c: one JSON object ``{"command": ...}`` a connection, the answer ends with a
zero byte; ``MHS`` are millions of hashes a second, ``GHS`` thousand millions; ``privileged`` tells whether commands
that change anything are obeyed. Avalon (Canaan's cgminer 4.11.1, Nano 3s): ``estats`` holds a line ``MM ID0`` of
``Name[value]``. Antminer (Bitmain's cgminer): ``stats`` names ``fan1``, ``temp2_1``, ``temp_chip1``; S9 and older leave
out the comma between two objects. Braiins OS: ``temps``, ``fans``, ``tunerstatus``. Whatsminer (MicroBT, API 2.0):
``summary`` has power, temperatures and fans; it refuses ``version``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from proxy.devices import facts
from proxy.devices.facts import Api, Facts, Nonsense, fields_of, hottest, number, positive, text

MAX_ANSWER = 131_072
"""Bytes of one answer; the longest known, an Avalon's with all voltages of four boards, has 40,000."""
MOST_ROWS = 32
FIRST = "version"
"""The command that says what kind of miner it is."""

_MISSING_COMMA = re.compile(rb"\}\s*\{")
_AVALON = re.compile(r"(?<![A-Za-z0-9_])([A-Za-z][A-Za-z0-9_]{0,31})\[([^\[\]]{0,600})\]")
_RATES = tuple(
    (f"{unit} {span}", factor)
    for span in ("5s", "RT", "1m", "5m", "av")
    for unit, factor in (("MHS", 1e6), ("GHS", 1e9))
)

Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One of a miner's pools."""

    number: int
    url: str
    user: str
    in_use: bool = False


class Answers:
    """What a miner said to each command so far."""

    def __init__(self) -> None:
        self._said: dict[str, Mapping[str, object]] = {}

    def add(self, command: str, answer: Mapping[str, object]) -> None:
        """Keep the answer to ``command``."""
        self._said[command] = answer

    def rows(self, command: str) -> Rows:
        """The objects that answer ``command``, under its name in capitals."""
        answer = self._said.get(command, {})
        found = answer.get("STATS" if command == "estats" else command.upper())
        return [each for each in found[:MOST_ROWS] if isinstance(each, dict)] if isinstance(found, list) else []

    def row(self, command: str) -> Mapping[str, object]:
        """The first of them; an empty one where there is none."""
        return next(iter(self.rows(command)), {})

    def description(self) -> str:
        """What ``version`` is signed with, also where the command was refused."""
        answer = self._said.get(FIRST, {})
        status = answer.get("STATUS")
        first = fields_of(status[0]) if isinstance(status, list) and status else answer
        return text(first.get("Description")).lower()


def parsed(answer: bytes) -> Mapping[str, object]:
    """An answer as an object.

    Raises:
        Nonsense: it is too large or no JSON object.
    """
    if len(answer) > MAX_ANSWER:
        raise Nonsense(f"The answer is larger than {MAX_ANSWER} bytes.")
    return facts.json_object(_MISSING_COMMA.sub(b"},{", answer.rstrip(b"\x00\r\n ")))


def commands(answers: Answers) -> tuple[str, ...]:
    """What is asked after ``version``. None of them changes anything."""
    version = answers.row(FIRST)
    said = f"{answers.description()} {' '.join(map(str, version))} {text(version.get('PROD'))}".lower()
    if "whatsminer" in said or "btminer" in said:
        return ("summary", "devdetails", "pools")
    if "avalon" in said:
        return ("summary", "estats", "pools")
    if "bosminer" in said or "boser" in said or "bosbase" in said:
        return ("summary", "temps", "fans", "tunerstatus", "devdetails", "pools")
    return ("summary", "stats", "devs", "pools")


def facts_of(answers: Answers) -> Facts:
    """The facts in all answers.

    Raises:
        Nonsense: they are not those of a miner.
    """
    summary = answers.row("summary")
    if not summary:
        raise Nonsense("The answer is not that of a miner.")
    avalon = _avalon(answers.row("estats"))
    stats = {name: value for row in answers.rows("stats") for name, value in row.items()}
    pool = next((each for each in pools_of(answers) if each.in_use), None)
    return Facts(
        api=Api.CGMINER,
        model=_model(answers, stats),
        firmware=_firmware(answers, avalon),
        user="" if pool is None else text(pool.user, facts.MAX_URL),
        pool="" if pool is None else text(pool.url, facts.MAX_URL),
        hashrate=_hashrate(summary, avalon, stats),
        power_w=_power(answers, summary, avalon, stats),
        temperature_c=_temperature(answers, summary, avalon, stats),
        fans_rpm=_fans(answers, summary, avalon, stats),
        fan_percent=number(avalon.get("FanR"), 0, 100),
        frequency_mhz=_first(
            facts.MOST_MHZ,
            avalon.get("Freq"),
            summary.get("freq_avg"),
            stats.get("total_freqavg"),
            stats.get("frequency"),
        ),
        voltage_v=_first(facts.MOST_V, answers.row("devdetails").get("Voltage")),
        uptime_s=_first(facts.MOST_S, summary.get("Uptime"), summary.get("Elapsed")),
        errors=tuple(_errors(summary, avalon))[: facts.MOST_ERRORS],
    )


def pools_of(answers: Answers) -> list[PoolRow]:
    """Its pools, as ``pools`` has them."""
    rows, found = answers.rows("pools"), []
    active = [row for row in rows if row.get("Stratum Active") in (True, "true")]
    alive = [row for row in rows if row.get("Status") == "Alive"]
    chosen = next(iter(active or alive), None)
    for row in rows:
        index, url, user = number(row.get("POOL"), 0, 1000), row.get("URL"), row.get("User")
        if index is not None and isinstance(url, str) and isinstance(user, str):
            found.append(PoolRow(int(index), url[: facts.MAX_URL], user[: facts.MAX_URL], row is chosen))
    return found


def _avalon(row: Mapping[str, object]) -> Mapping[str, str]:
    """Avalon's ``Name[value]`` of all modules; of a name that stands twice, the first."""
    line = " ".join(said for name, said in row.items() if name.startswith("MM ID") and isinstance(said, str))
    found: dict[str, str] = {}
    for name, value in _AVALON.findall(line[:MAX_ANSWER]):
        found.setdefault(name, value.strip())
    return found


def _first(most: float, *said: object) -> float | None:
    """The first of ``said`` that is a number within bounds."""
    return next((found for each in said if (found := positive(each, most)) is not None), None)


def _model(answers: Answers, stats: Mapping[str, object]) -> str:
    version, details = answers.row(FIRST), answers.row("devdetails")
    said = (version.get("PROD"), version.get("Type"), stats.get("Type"), details.get("Model"), version.get("MODEL"))
    return next(filter(None, map(text, said)), "")


def _firmware(answers: Answers, avalon: Mapping[str, str]) -> str:
    version, summary = answers.row(FIRST), answers.row("summary")
    bos = next((f"{name} {text(version[name])}" for name in ("BOSer", "BOSminer+", "BOSminer") if name in version), "")
    said = (bos, summary.get("Firmware Version"), avalon.get("Ver"), version.get("Miner"), version.get("CGMiner"))
    return next(filter(None, map(text, said)), "")


def _hashrate(summary: Mapping[str, object], avalon: Mapping[str, str], stats: Mapping[str, object]) -> float | None:
    spd = positive(avalon.get("GHSspd"), facts.MOST_RATE / 1e9)
    if spd is not None:
        return spd * 1e9
    for row in (summary, stats):
        for name, factor in _RATES:
            found = positive(row.get(name), facts.MOST_RATE / factor)
            if found is not None:
                return found * factor
    return None


def _power(
    answers: Answers, summary: Mapping[str, object], avalon: Mapping[str, str], stats: Mapping[str, object]
) -> float | None:
    """Avalon: the seventh of ``PS`` is what comes out of the wall; ``MPO`` is only the most that is allowed."""
    supply = avalon.get("PS", "").split()
    return _first(
        facts.MOST_W,
        summary.get("Power_RT"),
        summary.get("Power"),
        answers.row("tunerstatus").get("ApproximateMinerPowerConsumption"),
        avalon.get("WALLPOWER"),
        supply[6] if len(supply) > 6 else None,
        stats.get("chain_power"),
        stats.get("power"),
    )


def _temperature(
    answers: Answers, summary: Mapping[str, object], avalon: Mapping[str, str], stats: Mapping[str, object]
) -> float | None:
    chips: list[object] = [summary.get("Chip Temp Max"), avalon.get("TMax"), *avalon.get("MTmax", "").split()]
    chips += [row.get("Chip") for row in answers.rows("temps")]
    chips += _numbered(stats, "temp2_", 16)
    chips += [part for each in _numbered(stats, "temp_chip", 16) for part in str(each)[:64].split("-")]
    boards: list[object] = [summary.get("Temperature"), avalon.get("OTemp"), avalon.get("Temp")]
    boards += [row.get("Board") for row in answers.rows("temps")]
    boards += [row.get("Temperature") for row in answers.rows("devs")] + _numbered(stats, "temp", 16)
    found = hottest(chips)
    return hottest(boards) if found is None else found


def _numbered(row: Mapping[str, object], name: str, most: int) -> list[object]:
    return [row[key] for key in (f"{name}{index}" for index in range(1, most + 1)) if key in row]


def _fans(
    answers: Answers, summary: Mapping[str, object], avalon: Mapping[str, str], stats: Mapping[str, object]
) -> tuple[int, ...]:
    """Antminer has eight fields ``fan1`` to ``fan8``, some of which are none, and ``fan_num`` of them are fans."""
    of_braiins: list[object] = [row.get("RPM") for row in answers.rows("fans")]
    of_whatsminer = [summary[name] for name in ("Fan Speed In", "Fan Speed Out") if name in summary]
    of_avalon = _numbered(avalon, "Fan", 8)
    turning = [each for each in _numbered(stats, "fan", 8) if positive(each, facts.MOST_RPM)]
    stopped = int(number(stats.get("fan_num"), 1, 8) or 0) - len(turning)
    of_antminer = turning + [0] * stopped
    return facts.speeds(of_braiins or of_whatsminer or of_avalon or of_antminer)


def _errors(summary: Mapping[str, object], avalon: Mapping[str, str]) -> Iterable[str]:
    for index in range(facts.MOST_ERRORS):
        code = number(summary.get(f"Error Code {index}"), 1, 1e7)
        if code is not None:
            yield f"error code {int(code)}"
    for name in ("ECHU", "ECMM"):
        codes = [code for code in avalon.get(name, "").split()[:8] if code.isdecimal() and int(code[:9])]
        if codes:
            yield f"{name} {' '.join(codes)[:32]}"
    state = avalon.get("SYSTEMSTATU", "")
    if state.startswith("Work:") and "In Work" not in state:
        yield text(state.partition(",")[0], facts.MAX_SENTENCE)
