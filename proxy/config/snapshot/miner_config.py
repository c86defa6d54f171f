"""The settings of miners: their ports, who may mine, limits, firmware profiles, difficulty by rules."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from proxy.types import MAIN_LISTENER, ListenerId, PoolKey

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareRule:
    """An operator's rule: miners whose user agent matches get this firmware profile."""

    agent: str
    """Part of the agent; with ``*`` (anything) or ``?`` (one character) a pattern for all of it. Capitals do not
    matter."""
    profile: str
    """Name of a profile of ``proxy.stratum.firmware``."""

    def matches(self, agent: str) -> bool:
        """Whether the rule applies to ``agent``. Costs at most the product of the two lengths, whatever the pattern."""
        pattern, text = self.agent.casefold(), agent.casefold()
        if "*" in pattern or "?" in pattern:
            return _matches(pattern, text)
        return pattern in text


def _matches(pattern: str, text: str) -> bool:
    """Match ``*`` and ``?``. Only the last star is tried again, so backtracking is bounded."""
    at, place, star, resume = 0, 0, -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, resume = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return not pattern[place:].strip("*")


@dataclass(frozen=True, slots=True, kw_only=True)
class VardiffRule:
    """What holds for some miners of shared connections in place of the pool's aim. Of the rules that apply to a miner,
    the one for its listener and firmware wins, then that for its listener, then that for its firmware."""

    listener: ListenerId | None = None
    """None: miners of all listeners."""
    profile: str = ""
    """Name of a profile of ``proxy.stratum.firmware``; empty: miners of any firmware."""
    shares_per_minute: float | None = None
    """None: the pool's aim."""
    least_difficulty: float | None = None
    most_difficulty: float | None = None


NO_VARDIFF_RULE = VardiffRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper limits on sessions and workers."""

    max_sessions: int = 0
    """0: as many as the machine has room for."""
    max_sessions_per_address: int = 0
    """A farm behind one NAT shares its address. 0: half of those in all."""
    connects_per_minute: int = 0
    """New connections of one address; so many at once. 0: twice as many as it may have, 2,000 at least."""
    subscribe_timeout_s: float = 10.0
    """A connection that has made no call at all by then is closed."""
    handshake_timeout_s: float = 30.0
    """A connection that has not subscribed and authorised by then is closed."""
    max_workers: int = 5000
    """Names whose estimate and tallies are kept in memory; as many as miners may connect at least."""
    dials_per_s: float = 20.0
    """New connections to one pool for miners of one address that have not had an accepted share; others are dialled at
    once."""
    input_bytes_per_s: int = 32_768
    """How fast a miner's connection is read; what an accepted share took is not counted."""
    input_burst_bytes: int = 65_536
    """So much of it at once."""
    input_lines_per_s: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerAccess:
    """Who may mine."""

    networks: tuple[Network, ...] = ()
    """Where miners may connect from, beside this machine; empty: from anywhere."""
    password: str = field(default="", repr=False)
    """What a miner's password has to be or to contain; empty: anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerDirectives:
    """What a miner may ask for in its password; nothing unless its listener allows it."""

    difficulty: bool = False
    """``d=1000``: the difficulty to begin with, between the two limits below."""
    most_difficulty: float | None = None
    """The least is the listener's own."""
    pin: bool = False
    """``p=B``: to mine on one pool."""
    split: bool = False
    """``s=70:30``: weights of its own for the pools of the schedule that it follows, in their order."""
    pools: tuple[PoolKey, ...] = ()
    """Pools that ``p=`` may name; empty: those of the schedule that the miner follows."""
    split_least: float = 0.0
    """Percent that each of the pools gets at least."""

    @property
    def letters(self) -> tuple[str, ...]:
        """Those that are allowed: ``d``, ``p``, ``s``."""
        allowed = (("d", self.difficulty), ("p", self.pin), ("s", self.split))
        return tuple(letter for letter, is_allowed in allowed if is_allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerConfig:
    """A port that miners connect to, and what holds for those who come through it."""

    id: ListenerId
    """``MAIN_LISTENER``, ``TLS_LISTENER`` or a row's number: of a miner it stays the same for its connection."""
    name: str
    host: str
    port: int
    enabled: bool = True
    row: int | None = None
    """The row in the table of listeners; None: the proxy settings alone."""
    tls: bool = False
    certificate: str = ""
    key: str = ""
    proxy_networks: tuple[Network, ...] = ()
    """Peers of these networks begin with a header of the PROXY protocol, version 2; empty: nobody does."""
    default_difficulty: float | None = None
    """Suggested to pools for a miner that suggests none itself."""
    least_difficulty: float | None = None
    """No miner gets less, unless less is the highest that makes sense for a job."""
    access: MinerAccess = MinerAccess()
    """Its own; what is empty in it is as in the proxy settings."""
    directives: MinerDirectives = MinerDirectives()


NO_LISTENER = ListenerConfig(id=MAIN_LISTENER, name="", host="", port=0)
"""What holds for miners of a listener that is not configured (any more): nothing special."""
