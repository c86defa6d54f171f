"""Do the pools' coinbases pay the wallet? Every new set of outputs is decoded once, off the path of jobs.

For a pool marked solo, too small a part for the wallet is an alarm and, if the operator chose so, excludes the pool
until a coinbase is right again. For others it is information.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from proxy.chains.addresses import AddressError, address_of_script, script_of
from proxy.chains.coinbase import TxOut, assemble, parse_coinbase
from proxy.config.snapshot import ConfigSnapshot, PayoutAction, PoolConfig
from proxy.errors import RemoteProtocolError
from proxy.observe.events import EventStream, PayoutChecked, PoolNotify
from proxy.ports import Clock, Timer
from proxy.types import Chain, PoolKey

OnPayout = Callable[[PoolKey, bool], None]
CoinbasesOf = Callable[[PoolKey], Iterable[bytes]]
"""The second part of the coinbase in the newest job of each of a pool's connections."""

SHOWN_OUTPUTS = 50
"""PPLNS coinbases pay hundreds; the largest are shown."""
EXAMINED_KEPT = 64
"""Output sets remembered: with a connection per miner the same set comes a thousand times."""
RECHECK_S = 1.0
"""When a pool is looked at again that sent a right coinbase while one of its connections still had a wrong one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutView:
    """The last coinbase of a pool."""

    pool: PoolKey
    percent: float
    """Part of all that is paid which goes to the wallet."""
    ok: bool
    """False only for a solo pool that pays the wallet less than its ``payout_min_percent``."""
    outputs: tuple[tuple[str, int], ...]
    """Address or kind of script, and satoshis; the largest first."""
    problem: str = ""
    """Why nothing could be decoded or compared."""


class PayoutCheck:
    """Checks each pool's coinbase; emits ``PayoutChecked`` when percentage, verdict or receivers change.

    ``on_payout(pool, ok)`` is called when a pool with ``PayoutAction.EXCLUDE`` must be excluded (False) or may come
    back (True).
    """

    def __init__(
        self, *, clock: Clock, events: EventStream, coinbases_of: CoinbasesOf, on_payout: OnPayout | None = None
    ) -> None:
        self._clock = clock
        self._events = events
        self._coinbases_of = coinbases_of
        self._on_payout = on_payout
        self._configs: Mapping[PoolKey, PoolConfig] = {}
        self._scripts: dict[PoolKey, bytes] = {}
        self._waiting: dict[tuple[PoolKey, bytes], PoolNotify] = {}
        self._timer: Timer | None = None
        self._right: dict[PoolKey, PayoutView] = {}
        """Right coinbases of pools that had a wrong one in use as well when they came."""
        self._right_timer: Timer | None = None
        self._examined: OrderedDict[tuple[PoolKey, bytes], PayoutView] = OrderedDict()
        self._wrong: dict[PoolKey, dict[bytes, PayoutView]] = {}
        """Wrong coinbases that some connection may still have, by their second part."""
        self._views: dict[PoolKey, PayoutView] = {}
        self._excluded: set[PoolKey] = set()
        events.subscribe(PoolNotify, self._on_notify)

    def apply(self, config: ConfigSnapshot) -> None:
        """Take wallets and limits from a configuration; after a change everything is checked anew with the next job."""
        old, self._configs = self._configs, config.pools
        if dict(old) != dict(config.pools):
            self._examined.clear()
        for key in old.keys() - config.pools.keys():
            self._views.pop(key, None)
            self._wrong.pop(key, None)
            self._right.pop(key, None)
            self._excluded.discard(key)
        self._scripts = {key: script for key, pool in config.pools.items() if (script := wallet_script(pool))}
        for key in [key for key in self._excluded if not _may_exclude(config.pools[key])]:
            self._set_excluded(key, excluded=False)

    def view(self, pool: PoolKey) -> PayoutView | None:
        """One pool's last coinbase."""
        return self._views.get(pool)

    def _on_notify(self, job: PoolNotify) -> None:
        if job.pool not in self._configs:
            return
        self._waiting[job.pool, job.coinbase2] = job
        if self._timer is None:  # the next turn of the loop: miners get their job first
            self._timer = self._clock.call_at(self._clock.now(), self._check_waiting)

    def _check_waiting(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, {}
        for job in waiting.values():
            pool = self._configs.get(job.pool)
            if pool is not None:
                view = self._examined.get((pool.key, job.coinbase2)) or self._examine(pool, job)
                self._examined[pool.key, job.coinbase2] = view
                if len(self._examined) > EXAMINED_KEPT:
                    self._examined.popitem(last=False)
                if not view.ok:
                    self._wrong.setdefault(pool.key, {})[job.coinbase2] = view
                self._conclude(pool, view)

    def _conclude(self, pool: PoolConfig, view: PayoutView) -> None:
        """A pool is right only while none of its connections is given a wrong coinbase."""
        wrong = self._wrong.pop(pool.key, {})
        if wrong:
            in_use = frozenset(self._coinbases_of(pool.key))
            wrong = {coinbase2: each for coinbase2, each in wrong.items() if coinbase2 in in_use}
        if wrong:
            self._wrong[pool.key] = wrong
            if view.ok:
                self._right[pool.key] = view
                if self._right_timer is None:
                    self._right_timer = self._clock.call_at(self._clock.now() + RECHECK_S, self._recheck)
            view = next(iter(wrong.values()))
        elif not view.ok:
            return  # its connection has ended, or has another job by now
        before, self._views[pool.key] = self._views.get(pool.key), view
        if before is None or _gist(before) != _gist(view):
            self._events.emit(PayoutChecked(pool=pool.key, percent=view.percent, ok=view.ok, outputs=view.outputs))
        if _may_exclude(pool):
            self._set_excluded(pool.key, excluded=not view.ok)

    def _recheck(self) -> None:
        self._right_timer = None
        right, self._right = self._right, {}
        for key, view in right.items():
            pool = self._configs.get(key)
            if pool is not None:
                self._conclude(pool, view)

    def _examine(self, pool: PoolConfig, job: PoolNotify) -> PayoutView:
        outputs: tuple[TxOut, ...] = ()
        problem = ""
        try:
            raw = assemble(job.coinbase1, job.extranonce1, job.extranonce2_size, job.coinbase2)
            outputs = parse_coinbase(raw).outputs
        except RemoteProtocolError as error:
            problem = str(error)
        script = self._scripts.get(pool.key)
        if script is None and not problem:
            problem = "the wallet is no address of this chain, so it cannot be found in the coinbase"
        total = sum(output.value for output in outputs)
        paid = sum(output.value for output in outputs if output.script == script)
        percent = 100.0 * paid / total if total else 0.0
        # Of a chain whose addresses are not known nothing can be said, so nothing is held against the pool.
        ok = not pool.solo or pool.chain is Chain.OTHER or percent >= pool.payout_min_percent
        return PayoutView(
            pool=pool.key,
            percent=percent,
            ok=ok,
            outputs=_readable(pool.chain, outputs),
            problem=problem,
        )

    def _set_excluded(self, pool: PoolKey, *, excluded: bool) -> None:
        if excluded == (pool in self._excluded):
            return
        (self._excluded.add if excluded else self._excluded.discard)(pool)
        if self._on_payout is not None:
            self._on_payout(pool, not excluded)


def _may_exclude(pool: PoolConfig) -> bool:
    return pool.solo and pool.payout_action is PayoutAction.EXCLUDE


def _gist(view: PayoutView) -> tuple[object, ...]:
    """What makes a change worth telling: fees change the amounts with every template."""
    return round(view.percent, 1), view.ok, tuple(sorted({name for name, _ in view.outputs})), view.problem


def wallet_script(pool: PoolConfig) -> bytes | None:
    """The script that pays the pool's wallet; None where that is no address of its chain."""
    try:
        return script_of(pool.chain, pool.wallet.partition(".")[0])
    except AddressError:
        return None


def _readable(chain: Chain, outputs: Sequence[TxOut]) -> tuple[tuple[str, int], ...]:
    paying = sorted((output for output in outputs if output.value), key=lambda output: -output.value)
    return tuple(
        (address_of_script(chain, output.script) or _kind(output.script), output.value)
        for output in paying[:SHOWN_OUTPUTS]
    )


def _kind(script: bytes) -> str:
    if script[:1] == b"\x6a":
        return "OP_RETURN"
    if script[-1:] == b"\xac" and len(script) in (35, 67):
        return "public key"
    return f"script of {len(script)} bytes"
