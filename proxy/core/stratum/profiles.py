"""What is known about firmwares, by the user agent they send; each quirk is a named field with its source.

Sources: shared facts on ESP-Miner, NerdQAxe, NerdMiner, cgminer, bfgminer and DATUM's notes on user agents; an unknown
agent gets the careful default.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one family of firmware can and can not do."""

    name: str
    label: str
    """For people."""
    agent: re.Pattern[str]
    integer_difficulty: bool = False
    """Reads ``set_difficulty`` into an integer: NerdQAxe truncates 0.5 to 0, ESP-Miner before 2026-04 too."""
    needs_extranonce1: bool = False
    """Aborts on an empty extranonce1 (NerdMiner v2, src/stratum.cpp)."""
    least_extranonce2: int = 2
    """Bytes; Avalon hardware wants 3 or more, NiceHash's verifier 4."""
    even_extranonce2: bool = False
    """Knows sizes of 2, 4 and 8 bytes only and takes 4 for any other (NerdMiner v2, src/utils.cpp)."""
    stops_rolling: bool = False
    """Rolls no version bits at mask 0, so it may be sent to a pool that allows none."""
    repeats_mask: bool = False
    """Idles unless ``set_version_mask`` follows configure (Whatsminer, one report)."""
    keep_alive: str = "mining.ping"
    """Call that keeps a silent connection alive where no version rolling was negotiated. bfgminer's util.c knows no
    ping and counts a line with an id that it does not know as a rejected share; ``client.get_version`` it answers."""
    max_coinbase: int | None = None
    """Bytes of coinbase that it can hash; above it mines garbage."""
    min_difficulty: float | None = None
    """Leaves, or refuses the pool, below it. Not applied where difficulty 1 is not 2^32 hashes."""


def _profile(name: str, label: str, agent: str, **quirks: object) -> Profile:
    return Profile(name=name, label=label, agent=re.compile(agent, re.IGNORECASE), **quirks)  # type: ignore[arg-type]


PROFILES = (
    _profile("nicehash", "NiceHash", r"nicehash", least_extranonce2=4, min_difficulty=524_288.0, max_coinbase=500),
    _profile("nerdminer", "NerdMiner", r"nerdminer", needs_extranonce1=True, even_extranonce2=True, max_coinbase=255,
             stops_rolling=True),
    _profile("nerdqaxe", "NerdQAxe", r"nerd\w*axe|nerdqx|nerdeko", integer_difficulty=True, stops_rolling=True,
             max_coinbase=7_000),
    _profile("esp-miner", "Bitaxe", r"bitaxe|esp-?miner|bitdsk|luckyminer|lv0[68]", integer_difficulty=True,
             stops_rolling=True),
    _profile("avalon", "Avalon", r"avalon|canaan|cgminer/4\.11\.1", least_extranonce2=3, max_coinbase=6_208),
    _profile("whatsminer", "Whatsminer", r"whatsminer|btminer", max_coinbase=6_500, repeats_mask=True),
    _profile("braiins", "Braiins OS", r"bosminer|braiins|bmm-?10"),
    _profile("antminer-s21", "Antminer S21", r"antminer s21/", max_coinbase=2_250, min_difficulty=1_024.0),
    _profile("antminer-s2x", "Antminer S21 Pro and later", r"antminer s2[1-9]", max_coinbase=750,
             min_difficulty=1_024.0),
    _profile("antminer", "Antminer", r"antminer|bmminer", max_coinbase=750),
    _profile("bfgminer", "BFGMiner", r"bfgminer", stops_rolling=True, keep_alive="client.get_version"),
    _profile("cpuminer", "cpuminer", r"cpuminer|ccminer", stops_rolling=True),
    _profile("cgminer", "cgminer", r"cgminer|sgminer"),
    _profile("apollo", "FutureBit Apollo", r"apollo|futurebit"),
    _profile("mrr", "Mining Rig Rentals", r"miningrigrentals|mrr"),
)
UNKNOWN = _profile("unknown", "unknown firmware", r"(?!)")


def profile_of(agent: str) -> Profile:
    """The first profile whose pattern occurs in ``agent``."""
    return next((profile for profile in PROFILES if profile.agent.search(agent)), UNKNOWN)
