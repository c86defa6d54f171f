"""What each firmware demands of the lines it gets; a breach is what makes real miners drop, idle or hash garbage."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from proxy.simulator.profiles import Profile, Reads
from proxy.simulator.work import HEX, MinerJob

CONFIGURE_KEYS = {
    "version-rolling": {"version-rolling", "version-rolling.mask"},
    "minimum-difficulty": {"minimum-difficulty"},
    "subscribe-extranonce": {"subscribe-extranonce"},
}


class Rule(StrEnum):
    """The rule that was broken towards the miner."""

    UNEXPECTED_LINE = "unexpected_line"
    LINE_TOO_LONG = "line_too_long"
    MALFORMED = "malformed"
    UNKNOWN_METHOD = "unknown_method"
    SET_EXTRANONCE = "set_extranonce"
    ID_TYPE = "id_type"
    ANSWERED_TWICE = "answered_twice"
    UNASKED_ANSWER = "unasked_answer"
    CONFIGURE = "configure"
    SUBSCRIBE = "subscribe"
    AUTHORIZE = "authorize"
    EXTRANONCE = "extranonce"
    NOTIFY = "notify"
    REPEATED_JOB = "repeated_job"
    DIFFICULTY = "difficulty"
    NON_INTEGER_DIFFICULTY = "non_integer_difficulty"
    TWO_DIFFICULTIES = "two_difficulties"
    VERSION_MASK = "version_mask"
    SILENCE = "silence"
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach, with what was received."""

    rule: Rule
    detail: str


class BrokenRule(Exception):
    """Raised by a check. ``fatal``: this firmware gives the connection up."""

    def __init__(self, rule: Rule, detail: str, *, fatal: bool = False) -> None:
        super().__init__(f"{rule.value}: {detail}")
        self.rule = rule
        self.detail = detail
        self.fatal = fatal


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the subscribe reply gave. ``session`` is empty when the reply has no ids in pairs."""

    extranonce1: bytes
    extranonce2_size: int
    session: str


def check_configure(profile: Profile, params: Sequence[object], result: object) -> int | None:
    """Return the version mask granted, None if none was.

    Raises:
        BrokenRule: the result is not as this firmware wants it.
    """
    if not isinstance(result, dict):
        raise BrokenRule(Rule.CONFIGURE, f"result is {result!r}")
    wanted = params[0] if params and isinstance(params[0], list) else []
    allowed = set().union(*(CONFIGURE_KEYS.get(name, {name}) for name in wanted))
    extra = set(result) - allowed
    if extra:
        raise BrokenRule(Rule.CONFIGURE, f"keys not asked for: {sorted(extra)}", fatal=profile.strict_configure)
    rolling = result.get("version-rolling") is True
    version_mask = read_mask(result.get("version-rolling.mask"), Rule.CONFIGURE) if rolling else None
    if profile.needs_rolling and not version_mask:
        raise BrokenRule(Rule.CONFIGURE, f"no version rolling: {result!r}", fatal=True)
    return version_mask


def read_mask(value: object, rule: Rule = Rule.VERSION_MASK) -> int:
    """An 8-digit hex mask."""
    if not isinstance(value, str) or not HEX.match(value) or len(value) != 8:
        raise BrokenRule(rule, f"mask {value!r}")
    return int(value, 16)


def check_subscribe(profile: Profile, result: object) -> Subscription:
    """Read ``[pairs, extranonce1, extranonce2_size]``.

    Raises:
        BrokenRule: always fatal; the firmware cannot work with it.
    """
    if not isinstance(result, list) or len(result) < 3:
        raise BrokenRule(Rule.SUBSCRIBE, f"result is {result!r}", fatal=True)
    pairs, extranonce1, size = result[:3]
    if not isinstance(extranonce1, str) or not HEX.match(extranonce1) or type(size) is not int:
        raise BrokenRule(Rule.SUBSCRIBE, f"extranonce {extranonce1!r}, {size!r}", fatal=True)
    octets = bytes.fromhex(extranonce1)
    check_extranonce(profile, octets, size)
    return Subscription(octets, size, _session_of(pairs))


def _session_of(pairs: object) -> str:
    if isinstance(pairs, list) and pairs and isinstance(pairs[0], list) and len(pairs[0]) > 1:
        return str(pairs[0][1])
    return ""


def check_extranonce(profile: Profile, extranonce1: bytes, size: int) -> None:
    """Raise ``BrokenRule`` for sizes that this firmware or its hardware cannot use."""
    if profile.needs_extranonce1 and not extranonce1:
        raise BrokenRule(Rule.EXTRANONCE, "empty extranonce1", fatal=True)
    if profile.extranonce2_sizes and size not in profile.extranonce2_sizes:
        raise BrokenRule(Rule.EXTRANONCE, f"extranonce2 of {size} bytes, which it does not know", fatal=True)
    if not profile.extranonce2_min <= size <= profile.extranonce2_max:
        raise BrokenRule(Rule.EXTRANONCE, f"extranonce2 of {size} bytes", fatal=True)
    if len(extranonce1) + size > profile.extranonce_total_max:
        raise BrokenRule(Rule.EXTRANONCE, f"extranonces of {len(extranonce1) + size} bytes together", fatal=True)


def check_job(profile: Profile, job: MinerJob, extranonce_bytes: int) -> None:
    """Raise ``BrokenRule`` for a job that does not fit this firmware's buffers."""
    coinbase = len(job.head) + extranonce_bytes + len(job.tail)
    if coinbase > profile.max_coinbase:
        rule = Rule.CRASH if profile.crashes_on_coinbase else Rule.NOTIFY
        raise BrokenRule(rule, f"coinbase of {coinbase} bytes", fatal=profile.crashes_on_coinbase)
    if len(job.branches) > profile.max_branches:
        raise BrokenRule(Rule.NOTIFY, f"{len(job.branches)} merkle branches")


def read_difficulty(profile: Profile, params: Sequence[object]) -> tuple[float, BrokenRule | None]:
    """The difficulty as this firmware understands it, and a complaint if that is not what was meant.

    Raises:
        BrokenRule: no usable number.
    """
    value = params[0] if params else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise BrokenRule(Rule.DIFFICULTY, f"difficulty {value!r}")
    if profile.reads is Reads.FLOAT:
        return float(value), None
    complaint = None
    if value >= 1 and (isinstance(value, float) and value != int(value)):
        complaint = BrokenRule(Rule.NON_INTEGER_DIFFICULTY, f"difficulty {value!r}")
    return float(max(1, int(value) % 2**32)), complaint
