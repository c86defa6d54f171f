"""The alarms of a snapshot: problems that pages show while they last, the alert rules' view of them."""

from collections.abc import Iterator, Sequence

from proxy.alerts.texts import doubt_sentence, split_sentence
from proxy.chains.chain_observer import ChainObserver
from proxy.engine.engine import NO_POOL, Engine
from proxy.engine.outage import Outage
from proxy.observe.live.views import Alarm, ListenerView, PoolView
from proxy.ports import Clock
from proxy.sentence import Sentence, sentence
from proxy.types import Chain, PoolStatus, WorkerName

_QUIET_TROUBLE_S = 5.0
"""A pool that is down for less raises no alarm yet."""
LIMIT_SHOWN_S = 300.0
"""How long it is said that miners were refused for a limit."""


def alarms_of(
    engine: Engine,
    chain: ChainObserver,
    clock: Clock,
    *,
    config_problems: Sequence[str],
    database_trouble: str,
    pools: Sequence[PoolView],
    listeners: Sequence[ListenerView],
    without_work: Sequence[WorkerName],
) -> Iterator[Alarm]:
    """All that a person should know now."""
    for problem in config_problems:
        yield _bad("config", sentence("The saved configuration is not in force: {problem}", problem=problem))
    if not pools:
        yield _warn("config", NO_POOL)
    for pool in pools:
        yield from _of_pool(pool, chain, clock.wall())
        doubt = engine.network_difficulties.doubts.get(pool.key)
        if doubt is not None and pool.chain != Chain.OTHER:
            why = doubt_sentence(pool.chain, doubt.claimed, doubt.known)
            yield _warn("chain", sentence("{pool} {why}", pool=pool.name, why=why), pool.key, doubt.since)
    for split in chain.splits():
        text = sentence("{chain} has split. {what}", chain=str(split.chain), what=split_sentence(split))
        yield _bad("chain", text, split.chain)
    if pools:
        yield from _of_outage(engine.outage)
    if database_trouble:
        yield _bad("database", sentence("History cannot be written: {trouble}", trouble=database_trouble))
    for one in listeners:
        if one.problem:
            text = sentence("Listener {name} is not open: {problem}", name=one.name, problem=one.problem)
            yield _bad("listener", text)
    met = engine.connection_control.limit_met
    if met is not None and clock.now() - met[1] <= LIMIT_SHOWN_S:
        yield _bad("limit", sentence("Miners are refused, the limit is met: {limit}.", limit=met[0]))
    if without_work and pools:
        yield _warn("worker", _have_no_work(without_work), without_work[0])


def _bad(kind: str, text: str, subject: str = "", since: float = 0.0) -> Alarm:
    return Alarm(level="bad", kind=kind, text=text, subject=subject, since=since)


def _warn(kind: str, text: str, subject: str = "", since: float = 0.0) -> Alarm:
    return Alarm(level="warn", kind=kind, text=text, subject=subject, since=since)


def _of_outage(outage: Outage) -> Iterator[Alarm]:
    minutes = outage.limit_s / 60
    if outage.is_long:
        text = sentence(
            "No pool has worked for {minutes:g} min: miners are let go, so that they can use the fallback pool "
            "set in themselves. They are taken again as soon as a pool works.",
            minutes=minutes,
        )
        yield _bad("pools", text)
    elif outage.since is not None and outage.limit_s:
        text = sentence(
            "No pool works. Miners are kept; after {minutes:g} min without any pool they are let go.", minutes=minutes
        )
        yield _bad("pools", text)


def _of_pool(pool: PoolView, chain: ChainObserver, now: float) -> Iterator[Alarm]:
    if pool.status is PoolStatus.DOWN and now - pool.since >= _QUIET_TROUBLE_S:
        text = sentence("{pool} is down: {why}", pool=pool.name, why=Sentence.of(pool.reason))
        yield _bad("pool", text, pool.key, pool.since)
    elif pool.reason and pool.status is not PoolStatus.DOWN:
        yield _bad("pool", sentence("{pool}: {why}", pool=pool.name, why=Sentence.of(pool.reason)), pool.key)
    if pool.payout_ok is False:
        percent = pool.payout_percent or 0.0
        text = sentence("{pool} pays your wallet {percent:.1f} % of the block reward", pool=pool.name, percent=percent)
        yield _bad("payout", text, pool.key)
    view = chain.pool(pool.key)
    if view is not None and view.problem:
        text = sentence("{pool}: {why}", pool=pool.name, why=Sentence.of(view.problem))
        yield _warn("chain", text, pool.key, view.problem_since)
    if pool.waiting_miners:
        yield _warn("pool", _cannot_use(pool.waiting_miners, pool.name), pool.key)


def _have_no_work(workers: Sequence[WorkerName]) -> Sentence:
    names = ", ".join(sorted(workers)[:5])
    if len(workers) == 1:
        return sentence("1 worker has no work: {names}", names=names)
    return sentence("{count:d} workers have no work: {names}", count=len(workers), names=names)


def _cannot_use(miners: int, pool: str) -> Sentence:
    if miners == 1:
        return sentence("1 miner cannot use {pool}; its page says why", pool=pool)
    return sentence("{count:d} miners cannot use {pool}; their pages say why", count=miners, pool=pool)
