"""The sentences of alerts."""

from functools import lru_cache

from proxy.alerts.incidents import Phase
from proxy.alerts.outbox import Notification
from proxy.alerts.rules import AlertKind, AlertLevel
from proxy.observe.events import BestShare, BlockFound, ChainSplit
from proxy.sentence import Sentence, sentence
from proxy.text import visible

MAX_NAME_CHARS = 64
TEST_TITLE, TEST_TEXT = "DPMP: test", "This is a test. Alerts of DPMP will come this way."
FLEET = ""
_CHAIN = "Chain "
_SPLIT_TITLES = ("{} has split", "{} is one again")
_TITLES: dict[AlertKind, tuple[str, str]] = {
    AlertKind.POOL_DOWN: ("{} is down", "{} is back"),
    AlertKind.WORKER_OFFLINE: ("{} is offline", "{} is back"),
    AlertKind.NO_SHARES: ("No shares come in", "Shares come in again"),
    AlertKind.WORKER_SILENT: ("{} sends no shares", "{} sends shares again"),
    AlertKind.HASHRATE_DROP: ("{} is slower than usual", "{} is as fast as usual again"),
    AlertKind.REJECT_RATE: ("{}: too many shares are refused", "{}: refused shares are few again"),
    AlertKind.DEVICE_HOT: ("{} is too hot", "{} is no longer too hot"),
    AlertKind.FAN_STOPPED: ("{}: a fan stands still", "{}: all fans turn again"),
    AlertKind.POWER_NO_HASH: ("{} takes power and hashes nothing", "{} hashes again"),
    AlertKind.PAYOUT: ("{}: the payout check fails", "{}: the payout is right again"),
    AlertKind.CHAIN: ("{} disagrees with its chain", "{} agrees with its chain again"),
    AlertKind.DATABASE: ("The database cannot be used", "The database can be used again"),
}
_STEPS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def pool_subject(key: str) -> str:
    """Subject of a pool: distinct from a worker of the same name."""
    return f"Pool {key}"


def device_subject(address: str, port: int) -> str:
    """Subject of a miner of which no worker is known."""
    return f"Miner {address}:{port}"


@lru_cache(maxsize=4096)
def worker_subject(name: str) -> str:
    """Subject of a worker. The miner chooses its name."""
    return f"Worker {_harmless(name[:MAX_NAME_CHARS])}"


def _harmless(text: str) -> str:
    """A peer's text for a chat or a mail: on one line, without hidden characters, mentioning nobody."""
    return visible(text).replace("@", "(at)")


def chain_subject(chain: str) -> str:
    """Subject of a chain."""
    return f"{_CHAIN}{chain}"


def split_sentence(event: ChainSplit) -> Sentence:
    """What a chain split is, and what it means for a miner."""
    sides = " and ".join(side.replace("+", ", ") for side in event.sides)
    return sentence(
        "From height {height:d} on, the pools follow different branches, and each grows: {sides}. "
        "Miners are not moved. What is mined on the branch that loses is worth nothing: find out which your pools "
        "follow on purpose, and set the weights.",
        height=event.height,
        sides=sides,
    )


def doubt_sentence(chain: str, claimed: float, known: float) -> Sentence:
    """What is wrong with a pool that names an impossible network difficulty."""
    return sentence(
        "names a network difficulty of {claimed}, but {chain} has at least {known}. Its shares are sent "
        "as before; what it calls a block is believed only by the chain's difficulty. If it is a pool of a test chain, "
        "choose the chain “other” for it.",
        claimed=short(claimed),
        chain=str(chain),
        known=short(known),
    )


def short(number: float, unit: str = "") -> str:
    """Three digits and a prefix: ``1.23 TH/s``."""
    for size, prefix in _STEPS:
        if number >= size:
            return f"{number / size:.3g} {prefix}{unit}"
    return f"{number:.3g} {unit}".rstrip()


def span(seconds: float) -> str:
    """A duration in words, rounded."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 172800 else f"{seconds / 86400:.0f} days"


def notification(
    kind: AlertKind, subject: str, phase: Phase, *, at: float, reason: str, lasted_s: float, falls: int
) -> Notification:
    """The text for ``phase`` of ``subject``; ``reason`` says what is or was wrong."""
    who, reason = subject or "The fleet", _harmless(reason)
    titles = _SPLIT_TITLES if subject.startswith(_CHAIN) else _TITLES[kind]
    bad, good = (title.format(who) for title in titles)
    match phase:
        case Phase.RAISED:
            return Notification(kind=kind, level=AlertLevel.BAD, title=bad, text=f"{bad}. {reason}".rstrip(), at=at)
        case Phase.FLAPPING:
            title = f"{bad}, again and again"
            return Notification(
                kind=kind,
                level=AlertLevel.BAD,
                title=title,
                at=at,
                text=(f"{title}: {falls} times lately. Nothing more is sent until it is stable. {reason}".rstrip()),
            )
        case Phase.CLEARED:
            text = f"{good}, after {span(lasted_s)}." if lasted_s > 0 else f"{good}."
            return Notification(kind=kind, level=AlertLevel.GOOD, title=good, text=text, at=at)
    return Notification(kind=kind, level=AlertLevel.GOOD, title=good, text=f"{good} and has been stable.", at=at)


def best_share(event: BestShare, at: float) -> Notification:
    """A new best of a chain."""
    title = f"New best share: {short(event.true_difficulty)}"
    return Notification(
        kind=AlertKind.BEST_SHARE,
        level=AlertLevel.INFO,
        title=title,
        at=at,
        text=(
            f"{worker_subject(event.worker)} found a share of difficulty {short(event.true_difficulty)} "
            f"on pool {event.pool} ({event.chain})."
        ),
    )


def block_found(event: BlockFound, at: float) -> Notification:
    """A found block, accepted by the pool or not."""
    who = f"{worker_subject(event.worker)}, pool {event.pool}, hash {event.header_hash.hex()}"
    if event.accepted:
        return Notification(
            kind=AlertKind.BLOCK_FOUND,
            level=AlertLevel.GOOD,
            title=f"{event.chain} block found",
            at=at,
            text=f"A {event.chain} block was found: {who}. The pool accepted it.",
        )
    return Notification(
        kind=AlertKind.BLOCK_FOUND,
        level=AlertLevel.BAD,
        title=f"{event.chain} block not accepted",
        at=at,
        text=f"A share met the target of {event.chain}, but the pool did not accept it: {who}. "
        "Its header and coinbase are kept under Blocks.",
    )
