"""What a miner asks for in its password (``secret,d=1000,p=B,s=70:30``), as far as its listener allows it.

Directives stand between commas, semicolons or blanks, as pools read theirs. What is not allowed, or is none of ours,
is left in the password: a pool may know what to do with it.
"""

import re
from typing import NamedTuple

from proxy.config.snapshot import POOL_KEY, ListenerConfig
from proxy.scheduling.control import MinerChoice
from proxy.types import PoolKey

MOST_PARTS = 16
"""Of a split; there are no schedules with more pools than a person can weigh."""
_SEPARATORS = re.compile(r"([,;\s]+)")
_DIRECTIVE = re.compile(r"([dps])=(.*)", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,8})?|\.\d{1,8}", re.ASCII)


class Directives(NamedTuple):
    """What was found in a password."""

    rest: str
    """What pools may see: without what the proxy acts on itself, a difficulty within the limits excepted."""
    difficulty: float | None = None
    choice: MinerChoice = MinerChoice()
    problems: tuple[str, ...] = ()
    """A sentence for each directive that is allowed and cannot be used."""


def read_directives(password: str, listener: ListenerConfig) -> Directives:
    """Read what ``listener`` allows; of several of a kind the first counts."""
    allowed = listener.directives
    if not (allowed.difficulty or allowed.pin or allowed.split) or "=" not in password:
        return Directives(password)
    kept: list[str] = []
    problems: list[str] = []
    found: dict[str, object] = {}
    pieces = _SEPARATORS.split(password)
    for part, separator in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        match = _DIRECTIVE.fullmatch(part)
        kind = match[1].lower() if match else ""
        if match is None or not {"d": allowed.difficulty, "p": allowed.pin, "s": allowed.split}[kind]:
            kept += (part, separator)
            continue
        read = {"d": _difficulty, "p": _pool, "s": _split}[kind](match[2], listener)
        if kind in found:
            problems.append(f"{_shown(part)} is the second of its kind")
        elif isinstance(read, str):
            problems.append(f"{_shown(part)}: {read}")
        else:
            found[kind] = read[0]
            if kind == "d":
                kept += (part, separator)
    pin, split, difficulty = found.get("p"), found.get("s", ()), found.get("d")
    return Directives(
        rest="".join(kept).strip(",; \t\r\n"),
        difficulty=difficulty if isinstance(difficulty, float) else None,
        choice=MinerChoice(PoolKey(pin) if isinstance(pin, str) else None, split if isinstance(split, tuple) else ()),
        problems=tuple(problems),
    )


def _difficulty(text: str, listener: ListenerConfig) -> str | tuple[float]:
    least, most = listener.least_difficulty or 0.0, listener.directives.most_difficulty
    value = float(text) if _NUMBER.fullmatch(text) else 0.0
    if not value:
        return "this is no difficulty"
    if value < least:
        return f"the least difficulty here is {least:g}"
    if most is not None and value > most:
        return f"the most difficulty here is {most:g}"
    return (value,)


def _pool(text: str, listener: ListenerConfig) -> str | tuple[str]:
    key, allowed = text.upper(), listener.directives.pools
    if not POOL_KEY.fullmatch(key):
        return "this is no key of a pool"
    if allowed and key not in allowed:
        return f"pools that may be chosen here are {', '.join(allowed)}"
    return (key,)


def _split(text: str, listener: ListenerConfig) -> str | tuple[tuple[float, ...]]:
    parts = text.split(":", MOST_PARTS)
    if not 2 <= len(parts) <= MOST_PARTS or not all(_NUMBER.fullmatch(part) for part in parts):
        return "a split is for example 70:30"
    values = [float(part) for part in parts]
    whole = sum(values)
    if not whole:
        return "at least one part must be above 0"
    percent = tuple(round(100.0 * value / whole, 2) for value in values)
    if min(percent) < listener.directives.split_least:
        return f"each part has to be {listener.directives.split_least:g} percent or more here"
    return (percent,)


def _shown(part: str) -> str:
    return repr(part[:40])
