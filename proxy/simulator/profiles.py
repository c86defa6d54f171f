"""What different firmware does on the wire: each quirk a named field, each firmware a constant."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import TypeAlias

Ident: TypeAlias = int | str | None


class Await(StrEnum):
    """What firmware does between a call and the next one."""

    NOTHING = "nothing"
    """Pipelined: the next call follows at once."""
    REPLY = "reply"
    """Waits for the reply; messages of the pool in between are handled."""
    NEXT_LINE = "next_line"
    """The very next line must be the reply, or it gives up."""


class Ids(Enum):
    """``NEXT``: the call takes the connection's next number."""

    NEXT = "next"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. Texts ``{agent} {user} {password} {url} {session} {suggest} {job}`` in ``params`` are filled in; an
    unknown session is left out (its parameter dropped)."""

    method: str
    params: Sequence[object] = ()
    ident: Ident | Ids = Ids.NEXT
    then: Await = Await.NOTHING


class Reads(StrEnum):
    """How firmware reads a difficulty."""

    FLOAT = "float"
    UINT32 = "uint32"


class VersionBits(StrEnum):
    """How firmware makes a version from the job's and what it reports; all agree while the job's has no mask bits."""

    REPLACED = "replaced"
    """BIP 310: the mask's bits are its own, the job's are gone, and it reports them."""
    XOR = "xor"
    """ESP-Miner and NerdQAxe: the chip's bits are added to the job's version (bm1370.c), and the difference is
    reported: ``rolled_version ^ active_job->version`` (asic_result_task.c)."""
    ADDED = "added"
    """cgminer 4.11.1 and Canaan's: one of four patterns is added to the job's version (``vmask_001``), and that pattern
    is reported (``vmask_002``), also where the job's version had bits of it."""


EVERYBODY = frozenset({"mining.notify", "mining.set_difficulty"})
CLIENT = frozenset({"client.reconnect", "client.show_message", "client.get_version"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """One firmware's behaviour. Sizes in bytes, times in seconds. Equal only to itself, so that it can be a key."""

    name: str
    agent: str
    handshake: tuple[Call, ...]
    after_authorize: tuple[Call, ...] = ()
    known: frozenset[str] = EVERYBODY | CLIENT
    """Methods of the pool that it understands."""
    submit_id: Ident | Ids = Ids.NEXT
    reads: Reads = Reads.FLOAT
    difficulty_at_once: bool = False
    """A difficulty holds for the running job's further shares too, not only from the next job."""
    queues_difficulties: bool = False
    """cgminer 4.11.1, util.c: a difficulty waits in ``next_diff``, another one in ``diff_after``, and each
    ``mining.notify`` takes one of them; a job is hashed at the one that it took."""
    extranonce2_min: int = 1
    extranonce2_max: int = 16
    extranonce2_sizes: frozenset[int] = frozenset()
    """The only sizes it knows; empty: all from least to most."""
    extranonce_total_max: int = 64
    needs_extranonce1: bool = False
    rolls_version: bool = False
    version_bits: VersionBits = VersionBits.REPLACED
    needs_rolling: bool = False
    """Never connects when configure answers no rolling or a mask of zero (cgminer 4.11.1 as Canaan builds it)."""
    rolls_on: bool = False
    """A later mask of zero takes the bits out of its submits, and its chips go on rolling."""
    pads_nonce: bool = True
    ignores_active_jobs: bool = False
    strict_configure: bool = False
    leaves_on_set_extranonce: bool = False
    bare_bool: bool = False
    silence_s: float = 300.0
    max_line: int = 65_536
    max_coinbase: int = 8_192
    crashes_on_coinbase: bool = False
    """A larger coinbase is not hashed wrongly but ends the program."""
    max_branches: int = 32
    retries: bool = False
    keepalive: Call | None = None
    keepalive_s: float = 30.0
    asks_transactions: bool = False
    reconnect_s: float = 5.0


def _configure(version_mask: str, then: Await, ident: Ident | Ids = Ids.NEXT, **options: object) -> Call:
    return Call(
        method="mining.configure",
        params=(["version-rolling"], {"version-rolling.mask": version_mask, **options}),
        ident=ident,
        then=then,
    )


def _authorize(then: Await = Await.NOTHING, ident: Ident | Ids = Ids.NEXT) -> Call:
    return Call(method="mining.authorize", params=("{user}", "{password}"), ident=ident, then=then)


_SUGGEST = Call(method="mining.suggest_difficulty", params=("{suggest}",))

CPUMINER = Profile(
    name="cpuminer",
    agent="cpuminer/2.5.1",
    handshake=(
        Call(method="mining.subscribe", params=("{agent}", "{session}"), ident=1, then=Await.NEXT_LINE),
        _authorize(Await.REPLY, ident=2),
    ),
    submit_id=4,
    extranonce2_max=100,
    silence_s=120.0,
    reconnect_s=10.0,
)

ESP_MINER = Profile(
    name="esp-miner",
    agent="bitaxe/BM1370/v2.10.0",
    handshake=(
        _configure("ffffffff", Await.NOTHING),
        Call(method="mining.subscribe", params=("{agent}",)),
        _authorize(),
    ),
    after_authorize=(_SUGGEST, Call(method="mining.extranonce.subscribe")),
    known=EVERYBODY | CLIENT | {"mining.set_extranonce", "mining.set_version_mask", "mining.ping"},
    difficulty_at_once=True,
    extranonce2_max=32,
    rolls_version=True,
    version_bits=VersionBits.XOR,
    ignores_active_jobs=True,
    max_coinbase=5_000,
    crashes_on_coinbase=True,
)
"""It builds the coinbase on a task's stack of 8,192 bytes, which overflows somewhere above 5,000."""

NERDMINER = Profile(
    name="nerdminer",
    agent="NerdMinerV2/1.8.2",
    handshake=(
        Call(method="mining.subscribe", params=("{agent}",), then=Await.NEXT_LINE),
        _authorize(),
        Call(method="mining.suggest_difficulty", params=(0.00015,)),
    ),
    known=EVERYBODY,
    difficulty_at_once=True,
    needs_extranonce1=True,
    pads_nonce=False,
    silence_s=600.0,
    extranonce2_sizes=frozenset({2, 4, 8}),
    max_line=4_096,
    max_coinbase=255,
    keepalive=Call(method="mining.suggest_difficulty", params=(0.00015,)),
)
"""An empty extranonce1 is "Work aborted" (src/stratum.cpp), and so it is again after each reconnect."""

HAN_SOLO = replace(NERDMINER, name="han-solo", agent="HAN_SOLOminer")
"""One of NerdMiner's relatives, whose agent does not tell of it."""

NERDQAXE = Profile(
    name="nerdqaxe",
    agent="NerdQAxe++/BM1370/v1.0.36",
    handshake=(
        Call(method="mining.subscribe", params=("{agent}",), ident=1),
        _configure("1fffe000", Await.NOTHING, ident=2),
        _authorize(ident=3),
        Call(method="mining.suggest_difficulty", params=("{suggest}",), ident=4),
        Call(method="mining.extranonce.subscribe", ident=5),
    ),
    known=EVERYBODY | {"client.reconnect", "mining.set_extranonce", "mining.set_version_mask"},
    reads=Reads.UINT32,
    difficulty_at_once=True,
    rolls_version=True,
    version_bits=VersionBits.XOR,
    bare_bool=True,
    max_line=16_384,
)

CGMINER = Profile(
    name="cgminer",
    agent="cgminer/4.11.1",
    handshake=(
        _configure("ffffffff", Await.NEXT_LINE),
        Call(method="mining.subscribe", params=("{agent}", "{session}"), then=Await.NEXT_LINE),
        _authorize(Await.REPLY),
    ),
    after_authorize=(_SUGGEST,),
    known=EVERYBODY | CLIENT | {"mining.ping", "mining.set_version_mask"},
    queues_difficulties=True,
    extranonce2_min=2,
    extranonce2_max=8,
    rolls_version=True,
    version_bits=VersionBits.ADDED,
    needs_rolling=True,
    rolls_on=True,
    silence_s=90.0,
    max_coinbase=6_208,
    max_branches=30,
    retries=True,
)

AVALON = replace(
    CGMINER,
    name="avalon",
    agent="cgminer/4.11.1 (avalon)",
    extranonce2_min=3,
    extranonce2_max=4,
)
"""cgminer on Avalon hardware, which has room for 3 or 4 bytes of extranonce2."""

WHATSMINER = Profile(
    name="whatsminer",
    agent="whatsminer/v1.1",
    handshake=(
        _SUGGEST,
        _configure("ffffffff", Await.REPLY),
        Call(method="mining.subscribe", params=("{agent}", "{session}"), then=Await.REPLY),
        _authorize(Await.REPLY),
    ),
    known=EVERYBODY | CLIENT | {"mining.set_version_mask"},
    extranonce2_max=8,
    rolls_version=True,
    strict_configure=True,
    max_coinbase=6_500,
)

BRAIINS = Profile(
    name="braiins",
    agent="BMM-101/1.0.2;bosminer-plus-tuner 0.9.0",
    handshake=(
        _configure("1fffe000", Await.REPLY, ident=0, **{"version-rolling.min-bit-count": 16}),
        Call(method="mining.subscribe", params=("{agent}", None, "{url}", None), ident=1, then=Await.REPLY),
        _authorize(Await.REPLY, ident=2),
    ),
    known=EVERYBODY | CLIENT | {"mining.set_version_mask"},
    rolls_version=True,
    leaves_on_set_extranonce=True,
)

BFGMINER = Profile(
    name="bfgminer",
    agent="bfgminer/5.5.0",
    handshake=(
        Call(method="mining.suggest_target", params=("{target}",), ident=None),
        Call(method="mining.subscribe", params=("{agent}", "{session}"), ident=0, then=Await.REPLY),
        Call(method="mining.extranonce.subscribe", ident="xnsub"),
        _authorize(Await.REPLY, ident=1),
    ),
    known=EVERYBODY | CLIENT | {"mining.set_extranonce"},
    silence_s=90.0,
    asks_transactions=True,
)

NICEHASH = Profile(
    name="nicehash",
    agent="NiceHash/1.0.0",
    handshake=(
        _configure("1fffe000", Await.REPLY),
        Call(method="mining.subscribe", params=("{agent}",), then=Await.REPLY),
        Call(method="mining.extranonce.subscribe"),
        _authorize(Await.REPLY),
    ),
    known=EVERYBODY | CLIENT | {"mining.set_extranonce", "mining.set_version_mask"},
    extranonce2_min=4,
    extranonce_total_max=16,
    rolls_version=True,
    max_coinbase=500,
)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        CPUMINER,
        ESP_MINER,
        NERDMINER,
        NERDQAXE,
        CGMINER,
        AVALON,
        WHATSMINER,
        BRAIINS,
        BFGMINER,
        NICEHASH,
    )
}
