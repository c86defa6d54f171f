"""Auto-balance: takes readings and failures of its sources and computes the weights.

It always measures, also when it is not in control, so that switching to it acts at once; the scheduler decides whether
its weights are used. A failed poll keeps the weights, three in a row apply the configured fallback, and one good poll
ends that.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from proxy.balance.balance_view import (
    HISTORY_POINTS,
    BalanceState,
    BalanceView,
    ChainView,
    HistoryPoint,
    SourcedPrice,
    SourceView,
)
from proxy.balance.decision import Decision, StepBudget, decide, describe
from proxy.balance.evidence import Evidence
from proxy.balance.observed import SOURCE as OBSERVED
from proxy.balance.observed import Observer
from proxy.balance.readings import NetworkReading, hash_rate, is_sane, measure
from proxy.balance.strategies import (
    Parts,
    Target,
    bounded,
    even,
    inverse_parts,
    rounded,
    value_target,
    window_ratio,
)
from proxy.config.snapshot import BalanceConfig, BalanceSourceConfig, BalanceStrategy, ConfigSnapshot, Mode
from proxy.observe.events import (
    ControlChanged,
    EventStream,
    OracleApplied,
    OracleError,
    OracleFallback,
    OraclePollStart,
    OracleResult,
    PoolNotify,
)
from proxy.ports import Clock
from proxy.sentence import Sentence, sentence
from proxy.types import AdminStatus, Chain, PoolKey

FAILURES_TO_FALL_BACK = 3
TOO_FEW_BLOCKS = sentence("too few blocks are known to compare the windows")
STALE_S = 1_200.0
"""Maximum age of a reading (as in DPMP v2), or two polls where those are further apart."""

Weights = Mapping[PoolKey, float]


def source_names(sources: tuple[BalanceSourceConfig, ...]) -> tuple[str, ...]:
    """Name of each source in events and on pages; unique, in the order of preference."""
    names: list[str] = []
    for source in sources:
        kind = f"{source.kind} {source.chain.value}" if source.kind == "node" else source.kind
        same = sum(name == kind or name.startswith(f"{kind} #") for name in names)
        names.append(f"{kind} #{same + 1}" if same else kind)
    return tuple(names)


def chains_of(config: ConfigSnapshot) -> dict[Chain, tuple[PoolKey, ...]]:
    """Chain -> its pools that are enabled and have a weight in a schedule, in the order of ``Chain``."""
    used = {key for schedule in config.schedules for key, weight in schedule.allocations if weight > 0}
    pools = [
        pool
        for pool in config.pools.values()
        if pool.status is AdminStatus.ENABLED and (pool.key in used or not config.schedules)
    ]
    groups = {
        chain: tuple(sorted(pool.key for pool in pools if pool.chain is chain))
        for chain in Chain
        if chain is not Chain.OTHER
    }
    return {chain: keys for chain, keys in groups.items() if keys}


class AutoBalance:
    """Call everything on the loop's thread.

    ``on_weights`` is called with each new set of weights (``None``: the schedule's own), in control or not.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventStream,
        observer: Observer | None = None,
        on_weights: Callable[[Weights | None], None] = lambda weights: None,
    ) -> None:
        self._clock = clock
        self._events = events
        self.observer = observer or Observer(clock=clock)
        self.on_weights = on_weights
        self._config = BalanceConfig()
        self._chains: dict[Chain, tuple[PoolKey, ...]] = {}
        self._sources: dict[str, SourceView] = {}
        self._readings: dict[tuple[str, Chain], NetworkReading] = {}
        self._received_at: dict[tuple[str, Chain], float] = {}
        """Monotonic seconds: a source's own times may lie in the future, and the wall clock may be set back."""
        self._evidence: dict[Chain, Evidence] = {}
        self._used: dict[Chain, NetworkReading] = {}
        self._parts: Parts | None = None
        self._target: Target | None = None
        self._decision = Decision(parts={}, moved=False, reason="", next=sentence("Waits for the first poll."))
        self._budget = StepBudget()
        self._failures = 0
        self._in_control = False
        self._history: deque[HistoryPoint] = deque(maxlen=HISTORY_POINTS)
        self.next_poll_at: float | None = None
        """Unix seconds; set by the service, shown on the page."""
        events.subscribe(PoolNotify, self.observer.observe)
        events.subscribe(ControlChanged, self._control_changed)

    # --- Input ---------------------------------------------------------------------------------------

    def apply(self, config: ConfigSnapshot) -> None:
        """Use another configuration from now on; readings are kept."""
        chains, balance = chains_of(config), config.balance
        moved = chains != self._chains or balance != self._config
        if chains.keys() != self._chains.keys():
            self._parts = None
            self._evidence = {chain: self._evidence.get(chain, Evidence()) for chain in chains}
        self._chains, self._config = chains, balance
        names = source_names(balance.sources)
        self._sources = {name: self._sources.get(name, SourceView(name=name)) for name in names}
        self._readings = {key: reading for key, reading in self._readings.items() if key[0] in names}
        if moved and (self._used or self._failures):
            self._reconsider()

    def poll_started(self, source: str) -> None:
        """Emit ``OraclePollStart``."""
        self._events.emit(OraclePollStart(source=source))

    def feed(self, reading: NetworkReading) -> None:
        """Take a source's reading of one chain; it is used until it is stale or replaced."""
        view = self._sources.get(reading.source)
        if view is None:
            return
        if not is_sane(reading):
            self.source_failed(reading.source, f"It tells nonsense about {reading.chain.value}.")
            return
        self._sources[reading.source] = replace(view, answered_at=self._clock.wall(), failures=0, problem="")
        self._readings[reading.source, reading.chain] = reading
        self._received_at[reading.source, reading.chain] = self._clock.now()

    def source_failed(self, source: str, problem: str) -> None:
        """Note that a source failed; its earlier readings are dropped."""
        view = self._sources.get(source, SourceView(name=source))
        view = replace(view, failures=view.failures + 1, problem=problem)
        if source in self._sources:
            self._sources[source] = view
        self._readings = {key: reading for key, reading in self._readings.items() if key[0] != source}
        self._events.emit(OracleError(source=source, problem=problem, failures=view.failures))

    def conclude(self) -> Weights | None:
        """End a poll: decide from the readings and return the weights."""
        if len(self._chains) < 2:
            self._parts, self._failures = None, 0
            self._decision = replace(self._decision, reason="", next=self._nothing_to_balance())
            return None
        self._used = self._choose(self._sources)
        missing = [chain for chain in self._chains if chain not in self._used]
        target = None if missing else self._compute_target()
        if target is None:
            self._count_failure(self._failure_text(missing))
        else:
            self._apply_target(target)
        return self.weights()

    def restore(self, parts: Mapping[Chain, float], weights_at: float) -> None:
        """Continue with the shares from before a restart, if they are at most an hour old and of the same chains."""
        fresh = 0 <= self._clock.wall() - weights_at <= 3600
        whole = all(0 <= part <= 100 for part in parts.values()) and abs(sum(parts.values()) - 100) < 0.01
        if fresh and whole and parts.keys() == self._chains.keys():
            self._parts = {chain: float(parts[chain]) for chain in self._chains}
            self.on_weights(self.weights())

    def follow(self, parts: Mapping[Chain, float]) -> None:
        """Use what another node decided; nothing: the schedule's own weights. Parts of other chains are not used."""
        if parts.keys() != self._chains.keys() and parts:
            return
        followed = {chain: float(parts[chain]) for chain in self._chains} if parts else None
        if followed != self._parts:
            self._parts = followed
            self._publish(sentence("Another node decides."))

    # --- Output ------------------------------------------------------------------------------------------

    @property
    def state(self) -> BalanceState:
        """The current state."""
        if len(self._chains) < 2:
            return BalanceState.OFF
        if self._failures >= FAILURES_TO_FALL_BACK:
            return BalanceState.FALLBACK
        if self._failures:
            return BalanceState.HOLDING
        return BalanceState.HEALTHY if self._target is not None else BalanceState.WAITING

    def parts(self) -> Parts | None:
        """Percent for each chain; None: unknown, or the schedule's own weights."""
        return self._parts

    def weights(self) -> Weights | None:
        """Percent for each pool, split evenly between the pools of a chain; None: the schedule's own weights."""
        return self._pool_weights(self._parts) if self._parts is not None else None

    def missing_chains(self, before: str) -> tuple[Chain, ...]:
        """Chains for which no source preferred to ``before`` has a complete reading."""
        names = list(self._sources)
        chosen = self._choose(names[: names.index(before)] if before in names else names)
        return tuple(chain for chain in self._chains if chain not in chosen or not self._is_complete(chosen[chain]))

    def view(self) -> BalanceView:
        """The current state for pages and metrics."""
        chains = tuple(self._chain_view(chain) for chain in self._chains)
        return BalanceView(
            at=self._clock.wall(),
            state=self.state,
            in_control=self._in_control,
            strategy=self._config.strategy.value,
            significance=self._config.significance,
            short_window=self._config.short_window,
            long_window=self._config.long_window,
            failures=self._failures,
            chains=chains,
            sources=tuple(self._sources.values()),
            weights=self.weights(),
            decision=self._decision.reason,
            would_do=self._decision.next,
            next_poll_at=self.next_poll_at,
            history=tuple(self._history),
            prices=self._sourced_prices(),
        )

    # --- Choosing readings -------------------------------------------------------------------------------------

    def _choose(self, names: Iterable[str]) -> dict[Chain, NetworkReading]:
        """For each chain the first source's reading that is complete and fresh, else the first that is fresh."""
        chosen, order = {}, list(names)
        for chain in self._chains:
            readings = [reading for name in order if (reading := self._fresh(name, chain)) is not None]
            best = next((reading for reading in readings if self._is_complete(reading)), None)
            if readings:
                chosen[chain] = best or readings[0]
        return chosen

    def _fresh(self, name: str, chain: Chain) -> NetworkReading | None:
        if name == OBSERVED:
            return self.observer.reading(chain, self._config.short_window, self._config.long_window)
        reading = self._readings.get((name, chain))
        longest = max((source.poll_s for source in self._config.sources), default=0.0)
        if reading is None:
            return None
        age = max(self._clock.wall() - reading.taken_at, self._clock.now() - self._received_at[name, chain])
        return reading if age <= max(STALE_S, 2 * longest) else None

    def _is_complete(self, reading: NetworkReading) -> bool:
        if self._config.strategy is BalanceStrategy.VALUE_PER_HASH:
            return reading.height is not None
        return reading.long is not None

    def _failure_text(self, missing: list[Chain]) -> str:
        failed = "; ".join(f"{view.name}: {view.problem}" for view in self._sources.values() if view.problem)
        if missing and OBSERVED in self._sources:
            observed = self.observer.problem(missing[0])
            return sentence("{observed}; {others}", observed=observed, others=failed) if failed else observed
        if not missing:
            return sentence("The height of a chain is not known, so its subsidy is not.")
        return failed or sentence("No source tells anything about {chain}.", chain=missing[0].value)

    # --- The target ----------------------------------------------------------------------------------------------

    def _compute_target(self) -> Target | None:
        config, share = self._config, 100.0 / len(self._chains)
        if config.strategy is BalanceStrategy.VALUE_PER_HASH:
            target = value_target(self._used, self._prices())
            low, high = config.min_weight, config.max_weight
        else:
            target = self._ratio_target()
            low = max(config.min_weight, share - config.max_deviation)
            high = min(config.max_weight, share + config.max_deviation)
        return replace(target, parts=bounded(target.parts, low, high)) if target else None

    def _prices(self) -> dict[Chain, float]:
        """Entered by hand, else from the first source that has one."""
        sourced = {chain: price.amount for chain, price in self._sourced_prices().items()}
        prices = {chain: self._config.prices.get(chain) or sourced.get(chain) for chain in self._chains}
        return {chain: price for chain, price in prices.items() if price}

    def _sourced_prices(self) -> dict[Chain, SourcedPrice]:
        """Of each chain the price of the first source that has a fresh one."""
        prices: dict[Chain, SourcedPrice] = {}
        order = {name: place for place, name in enumerate(self._sources)}
        for name, chain in sorted(self._readings, key=lambda key: order[key[0]]):
            reading = self._fresh(name, chain)
            if reading is not None and reading.price and chain not in prices:
                prices[chain] = SourcedPrice(amount=reading.price, source=name, at=reading.taken_at)
        return prices

    def _ratio_target(self) -> Target:
        ratios: dict[Chain, float] = {}
        reasons: dict[Chain, str] = {}
        for chain, reading in self._used.items():
            ratios[chain], reasons[chain] = self._ratio(chain, reading)
        return Target(parts=inverse_parts(ratios), reasons=reasons)

    def _ratio(self, chain: Chain, reading: NetworkReading) -> tuple[float, Sentence]:
        measured, is_full = window_ratio(reading), reading.short is not None and reading.long is not None
        if self._config.significance <= 0:
            plain = sentence("short against long window: {measured:.3f}", measured=measured)
            return measured, plain if is_full else TOO_FEW_BLOCKS
        change = self._evidence[chain].update(reading, self._config.significance, len(self._chains))
        if change is None:
            noise = sentence("short against long window {measured:.3f} is within the noise", measured=measured)
            return 1.0, noise if is_full else TOO_FEW_BLOCKS
        return change.ratio, sentence(
            "over the last {blocks:g} blocks the hash rate is {ratio:.2f} times what it was before",
            blocks=change.blocks,
            ratio=change.ratio,
        )

    def _apply_target(self, target: Target) -> None:
        recovered, self._failures = self._failures >= FAILURES_TO_FALL_BACK, 0
        known, self._target = self._parts is not None, target
        current = self._parts if self._parts is not None else rounded(even(self._chains))
        self._decision = decide(current, target, self._config, self._budget, self._clock.now())
        self._parts = self._decision.parts
        self._append_history(self._decision.reason)
        self._emit_result(rounded(target.parts))
        if self._decision.moved or not known or recovered:
            self._publish(self._decision.reason)

    def _count_failure(self, problem: str) -> None:
        self._failures += 1
        if self._failures < FAILURES_TO_FALL_BACK:
            held = describe(self._parts) if self._parts else sentence("the schedule's weights")
            self._decision = Decision(
                parts=self._parts or {},
                moved=False,
                reason=sentence("Held {held}: {problem}", held=held, problem=problem),
                next=sentence("Asks again at the next poll."),
            )
            return
        if self._failures == FAILURES_TO_FALL_BACK:
            self._fall_back()
        self._decision = Decision(
            parts=self._parts or {},
            moved=False,
            next=sentence("Goes on as soon as a poll succeeds."),
            reason=sentence(
                "{polls:d} polls failed, the fallback is in force: {problem}", polls=self._failures, problem=problem
            ),
        )

    def _fall_back(self) -> None:
        even_parts = rounded(even(self._chains))
        self._parts = even_parts if self._config.on_failure == "even" else None
        self._append_history("fallback")
        self._events.emit(OracleFallback(weights=dict(self.weights() or {})))
        self.on_weights(self.weights())

    def _reconsider(self) -> None:
        """Decide again after a change of the configuration, without counting a failure."""
        if len(self._chains) < 2:
            self._parts = None
            self.on_weights(None)
        failures = self._failures
        self._used = self._choose(self._sources)
        target = self._compute_target() if len(self._used) == len(self._chains) > 1 else None
        if target is not None and not failures:
            self._apply_target(target)
        elif self._parts is not None:
            self.on_weights(self.weights())

    # --- Publishing -----------------------------------------------------------------------------------------------

    def _publish(self, reason: str) -> None:
        weights = self.weights()
        self.on_weights(weights)
        if self._in_control and weights is not None:
            self._events.emit(OracleApplied(weights=dict(weights), reason=reason))

    def _control_changed(self, event: ControlChanged) -> None:
        was, self._in_control = self._in_control, event.mode == Mode.AUTO_BALANCE.value
        if self._in_control and not was and self._parts is not None:
            self._publish(sentence("Auto-balance took control: {parts}.", parts=describe(self._parts)))

    def _emit_result(self, wanted: Parts) -> None:
        rates = {}
        for chain, reading in self._used.items():
            for window, span in (("short", reading.short), ("long", reading.long)):
                if span is not None:
                    rates[f"{chain.value}.{window}"] = hash_rate(span)
        ratios = {chain.value: window_ratio(reading) for chain, reading in self._used.items()}
        sources = ", ".join(dict.fromkeys(reading.source for reading in self._used.values()))
        self._events.emit(
            OracleResult(
                source=sources,
                hashrates=rates,
                ratios=ratios,
                weights=dict(self._pool_weights(wanted)),
                reason=self._decision.reason,
            )
        )

    def _append_history(self, reason: str) -> None:
        used = self._used
        self._history.append(
            HistoryPoint(
                at=self._clock.wall(),
                weights=dict(self._parts or {}),
                reason=reason,
                short={chain: hash_rate(reading.short) for chain, reading in used.items() if reading.short},
                long={chain: hash_rate(reading.long) for chain, reading in used.items() if reading.long},
                difficulty={chain: reading.difficulty for chain, reading in used.items()},
            )
        )

    def _pool_weights(self, parts: Parts) -> dict[PoolKey, float]:
        return {key: parts[chain] / len(keys) for chain, keys in self._chains.items() for key in keys}

    def _chain_view(self, chain: Chain) -> ChainView:
        pools, reading = self._chains[chain], self._used.get(chain)
        weight = self._parts.get(chain) if self._parts else None
        if reading is None:
            return ChainView(chain=chain, pools=pools, weight=weight)
        short, long = measure(reading.short), measure(reading.long)
        return ChainView(
            chain=chain,
            pools=pools,
            source=reading.source,
            taken_at=reading.taken_at,
            difficulty=reading.difficulty,
            short=short,
            long=long,
            note=reading.note,
            ratio=window_ratio(reading) if short and long else None,
            weight=weight,
            wanted=self._target.parts.get(chain) if self._target else None,
            reason=self._target.reasons.get(chain, "") if self._target else "",
        )

    def _nothing_to_balance(self) -> str:
        if not self._chains:
            return sentence("Nothing: auto-balance needs enabled pools on two chains at least (now: none).")
        names = ", ".join(chain.value for chain in self._chains)
        return sentence(
            "Nothing: auto-balance needs enabled pools on two chains at least (now: {chains}).", chains=names
        )
