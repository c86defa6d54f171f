"""What is known about firmwares, by the user agent they send; each quirk is a named field with its source.

Sources: ESP-Miner, NerdQAxe, NerdMiner, SparkMiner, cgminer 4.11.1, Canaan's fork of it and bfgminer, read in source;
issues of their projects for the agents of relatives; datum_gateway's notes on user agents. An unknown agent gets the
careful default. An operator may choose a profile for an agent by hand.
"""

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one family of firmware can and cannot do."""

    name: str
    label: str
    """For people."""
    agent: re.Pattern[str]
    integer_difficulty: bool = False
    """Reads ``set_difficulty`` into an integer: NerdQAxe truncates 0.5 to 0, ESP-Miner before 2026-04 too."""
    needs_extranonce1: bool = False
    """Aborts on an empty extranonce1 (NerdMiner v2, src/stratum.cpp)."""
    accepts_empty_extranonce1: bool = False
    """Known to work with an empty extranonce1 and to be better off with the byte in its extranonce2: Avalon hardware
    and NerdQAxe with CAN use 4, NiceHash's verifier wants 4; cpuminer and bfgminer were tried, and p2pool, whose
    extranonce1 is empty, was mined at with cgminer and Antminers. Everybody else gets one that is not empty."""
    least_extranonce2: int = 2
    """Bytes; Avalon hardware and NerdQAxe want 3 or more, NiceHash's verifier 4. NerdQAxe counts it globally: 2 bytes
    repeat after 65,536 jobs (main/stratum, main/tasks)."""
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
    """Bytes of coinbase that it can hash; above it mines garbage or restarts."""
    max_coinb1: int | None = None
    """Bytes of the coinbase's part before extranonce1 that it has room for."""
    max_coinb2: int | None = None
    """Bytes of the part behind extranonce2."""
    max_branches: int | None = None
    """Merkle branches that it has room for."""
    most_masks: int | None = None
    """Version masks that it makes use of, however many bits it may roll (Avalon's drivers: 8)."""
    settle_s: float = 0.0
    """Seconds for which it may go on at its old difficulty after it was given a lower one: Avalon miners are slow to
    apply it, Spiral Pool's source leaves them alone for 30 s after each change."""
    least_hashrate: float = 10_000.0
    """Hashes a second that no device with it stays below, estimated: a lottery miner on an ESP32 has tens of thousands,
    an ASIC that is not a USB stick hundreds of billions."""
    min_difficulty: float | None = None
    """Leaves, or refuses the pool, below it. Not applied where difficulty 1 is not 2^32 hashes."""


ASIC_HASHRATE = 1e11
BY_HAND = r"(?!)"
"""Matches no agent: such a profile is only chosen by hand."""


def _profile(name: str, label: str, agent: str, **quirks: object) -> Profile:
    return Profile(name=name, label=label, agent=re.compile(agent, re.IGNORECASE), **quirks)  # type: ignore[arg-type]


PROFILES = (
    _profile(
        "nicehash",
        "NiceHash",
        r"nicehash",
        accepts_empty_extranonce1=True,
        least_extranonce2=4,
        min_difficulty=524_288.0,
        max_coinbase=500,
        least_hashrate=ASIC_HASHRATE,
    ),
    # NerdMiner v2 and what descends from it; the first models of Lucky Miner, later ones run an ESP-Miner.
    _profile(
        "nerdminer",
        "NerdMiner",
        r"nerd\s?miner|han_?solominer|nerdnos|heliosminer|luckyminer/v1\b|mviiiax_nerd",
        needs_extranonce1=True,
        even_extranonce2=True,
        max_coinbase=255,
        stops_rolling=True,
    ),
    _profile(
        "nerdqaxe",
        "NerdQAxe",
        r"nerd\w*axe|nerdqx|nerdeko",
        integer_difficulty=True,
        stops_rolling=True,
        accepts_empty_extranonce1=True,
        least_extranonce2=3,
        max_coinbase=7_000,
        least_hashrate=ASIC_HASHRATE,
    ),
    _profile(
        "sparkminer", "SparkMiner", r"sparkminer", max_coinb1=256, max_coinb2=128, max_branches=16, stops_rolling=True
    ),
    # An ESP32 lottery miner: what its source needs is not known, so it gets what NerdMiner does.
    _profile(
        "wroomminer", "WroomMiner", r"wroom\s?miner", needs_extranonce1=True, even_extranonce2=True, stops_rolling=True
    ),
    # ESP-Miner 2.15 holds the coinbase on a stack of 8,192 bytes; above about 5.5 KB it overflows.
    _profile(
        "esp-miner",
        "Bitaxe",
        r"bitaxe|esp-?miner|bitdsk|luckyminer|\blv0[678]|nmaxe|gekkoaxe|bitforge|disruptor|magicminer|zyber8|"
        r"jingleminer|forgeminer|bitsyminer|\brkminer",
        integer_difficulty=True,
        stops_rolling=True,
        max_coinbase=5_000,
        max_branches=32,
        least_hashrate=ASIC_HASHRATE,
    ),
    _profile(
        "avalon",
        "Avalon",
        r"avalon|canaan|cgminer/4\.11\.1",
        accepts_empty_extranonce1=True,
        least_extranonce2=3,
        max_coinbase=6_208,
        max_branches=30,
        most_masks=8,
        settle_s=30.0,
    ),
    _profile(
        "whatsminer",
        "Whatsminer",
        r"whatsminer|btminer",
        max_coinbase=6_500,
        repeats_mask=True,
        least_hashrate=ASIC_HASHRATE,
    ),
    _profile("braiins", "Braiins OS", r"bosminer|braiins|bmm-?10", least_hashrate=ASIC_HASHRATE),
    # Other firmware on Antminers; what coinbase it holds is not known, so it gets the stock firmware's least.
    _profile(
        "luxos",
        "LuxOS",
        r"luxminer|luxos",
        accepts_empty_extranonce1=True,
        max_coinbase=750,
        least_hashrate=ASIC_HASHRATE,
    ),
    _profile(
        "vnish",
        "VNish",
        r"\bxminer-|vnish",
        accepts_empty_extranonce1=True,
        max_coinbase=750,
        least_hashrate=ASIC_HASHRATE,
    ),
    _profile(
        "antminer-s21",
        "Antminer S21",
        r"antminer s21/",
        accepts_empty_extranonce1=True,
        max_coinbase=2_250,
        min_difficulty=1_024.0,
        least_hashrate=ASIC_HASHRATE,
    ),
    _profile(
        "antminer-s2x",
        "Antminer S21 Pro and later",
        r"antminer s2[1-9]",
        accepts_empty_extranonce1=True,
        max_coinbase=750,
        min_difficulty=1_024.0,
        least_hashrate=ASIC_HASHRATE,
    ),
    _profile(
        "antminer",
        "Antminer",
        r"antminer|bmminer|\bsm-miner|bhb42",
        accepts_empty_extranonce1=True,
        max_coinbase=750,
        least_hashrate=ASIC_HASHRATE,
    ),
    _profile(
        "bfgminer",
        "BFGMiner",
        r"bfgminer",
        accepts_empty_extranonce1=True,
        stops_rolling=True,
        keep_alive="client.get_version",
    ),
    _profile("cpuminer", "cpuminer", r"cpuminer|ccminer", accepts_empty_extranonce1=True, stops_rolling=True),
    _profile("cgminer", "cgminer", r"cgminer|sgminer", accepts_empty_extranonce1=True),
    _profile("apollo", "FutureBit Apollo", r"apollo|futurebit", least_hashrate=ASIC_HASHRATE),
    # Rented hash is any firmware behind one agent; its checks want 4 bytes, as NiceHash's do.
    _profile("mrr", "Mining Rig Rentals", r"miningrigrentals|mrr", accepts_empty_extranonce1=True, least_extranonce2=4),
    _profile(
        "sparkminer-2026",
        "SparkMiner since March 2026",
        BY_HAND,
        max_coinb1=256,
        max_coinb2=512,
        max_branches=16,
        stops_rolling=True,
    ),
)
"""In the order in which they are tried: what is more special stands before what its name contains."""
UNKNOWN = _profile("unknown", "unknown firmware", BY_HAND)
BY_NAME = {profile.name: profile for profile in (*PROFILES, UNKNOWN)}


def profile_of(agent: str, chosen: str | None = None) -> Profile:
    """The profile called ``chosen`` by the operator, if any; else the first one whose pattern occurs in ``agent``."""
    if chosen is not None:
        return BY_NAME.get(chosen, UNKNOWN)
    return _known_by(agent)


@lru_cache(maxsize=64)
def _known_by(agent: str) -> Profile:
    """A farm has few kinds of miners; the agent is bounded by whoever reads it."""
    return next((profile for profile in PROFILES if profile.agent.search(agent)), UNKNOWN)
