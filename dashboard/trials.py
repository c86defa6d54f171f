"""The trials of *What if*: threads beside the loop, one for each person and two in all, each with its last result."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from django.core import signing
from django.db import connections, transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from proxy.config.loader import load_snapshot
from proxy.config.snapshot import BalanceConfig, BalanceStrategy, ConfigSnapshot
from proxy.errors import ConfigError
from proxy.models import BalanceSettings, Pool, Schedule
from proxy.money.facts import chain_facts
from proxy.types import PoolKey
from proxy.whatif.past import read_past
from proxy.whatif.plan import Kind, Plan, changed
from proxy.whatif.trial import Cancelled, Comparison, compare, paced

AT_ONCE = 2
KEPT = 16
"""Persons whose last trial is kept."""
SALT = "dashboard.whatif"
BALANCE_FIELDS = (
    "strategy",
    "short_window",
    "long_window",
    "significance",
    "max_deviation",
    "min_weight",
    "max_weight",
    "max_step_per_hour",
    "dead_band",
)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What somebody wants to know."""

    kind: Kind
    span: str
    weights: dict[str, float] = field(default_factory=dict)
    schedule: int | None = None
    """A schedule that is disabled and would be enabled."""
    balance: dict[str, str | float] = field(default_factory=dict)
    """Values of ``BALANCE_FIELDS``."""

    def sealed(self) -> str:
        """As a form carries it, so that exactly what was tried is applied."""
        return signing.dumps(
            {
                "kind": self.kind.value,
                "span": self.span,
                "weights": self.weights,
                "schedule": self.schedule,
                "balance": self.balance,
            },
            salt=SALT,
        )

    @classmethod
    def opened(cls, text: str) -> "Question":
        """What ``sealed`` made.

        Raises:
            signing.BadSignature: it is not ours, or older than a day.
        """
        said = signing.loads(text, salt=SALT, max_age=86_400)
        return cls(**{**said, "kind": Kind(said["kind"])})


@dataclass(slots=True)
class Trial:
    """One trial, running or over."""

    person: str
    question: Question
    now: float
    done: float = 0.0
    """0..1."""
    comparison: Comparison | None = None
    problem: str = ""
    over: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)


class Trials:
    """All trials of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, Trial] = {}

    def of(self, person: str) -> Trial | None:
        """A person's last trial."""
        return self._last.get(person)

    def newest(self) -> Trial | None:
        """The newest one that has a result, whoever asked."""
        found = [trial for trial in list(self._last.values()) if trial.comparison is not None]
        return found[-1] if found else None

    def start(self, trial: Trial, hashes_per_difficulty: float, language: str) -> str:
        """Run it in a thread; returns why not, if it cannot be run now."""
        with self._lock:
            running = [one for one in self._last.values() if not one.over]
            if any(one.person == trial.person for one in running):
                return _("Your last one is still running.")
            if len(running) >= AT_ONCE:
                return _("Two others are running: try again in a minute.")
            self._last.pop(trial.person, None)
            over = [one.person for one in self._last.values() if one.over]
            for person in over[: max(0, len(self._last) + 1 - KEPT)]:
                del self._last[person]
            self._last[trial.person] = trial
        work = threading.Thread(target=_run, args=(trial, hashes_per_difficulty, language), name="what if", daemon=True)
        work.start()
        return ""

    def cancel(self, person: str) -> None:
        """End a person's trial, if one is running."""
        trial = self._last.get(person)
        if trial is not None:
            trial.cancelled.set()


trials = Trials()


def _run(trial: Trial, hashes_per_difficulty: float, language: str) -> None:
    def report(done: float) -> None:
        trial.done = done

    with override(language):
        try:
            trial.comparison = answer(
                trial.question, trial.now, hashes_per_difficulty, paced_by(trial.cancelled, report)
            )
        except Cancelled:
            cancelled = trial.cancelled.is_set()
            trial.problem = _("It was cancelled.") if cancelled else _("It took too long and was given up.")
        except (ConfigError, NothingRecorded) as error:
            trial.problem = str(error)
        except Exception as error:  # a fault of ours must not leave a trial that never ends
            _logger.exception("whatif")
            trial.problem = _("It failed: %(error)s.") % {"error": type(error).__name__}
        finally:
            trial.over = True
            connections.close_all()  # this thread's own


def paced_by(cancelled: threading.Event, report: Callable[[float], None]) -> Callable[[float], None]:
    """A progress that ends when ``cancelled`` is set."""
    return paced(cancelled.wait, report)


class NothingRecorded(Exception):
    """There is no history to replay."""


def answer(
    question: Question, now: float, hashes_per_difficulty: float, progress: Callable[[float], None]
) -> Comparison:
    """Replay the history. Blocking.

    Raises:
        Cancelled: by ``progress``.
        ConfigError: the configuration that is tried cannot be used.
        NothingRecorded: no shares were stored in the span.
    """
    present = load_snapshot()
    tried = configuration(question, present)
    past = read_past(question.span, now, hashes_per_difficulty)
    if not past.record.starts:
        raise NothingRecorded(_("No shares were recorded in this time."))
    fees = {PoolKey(key): fee for key, fee in Pool.objects.values_list("key", "fee_percent")}
    chains = {chain.value: facts for chain, facts in chain_facts(now).items()}
    return compare(past, present, tried, chains, fees, progress)


def configuration(question: Question, present: ConfigSnapshot) -> ConfigSnapshot:
    """What would be in force.

    Raises:
        ConfigError: it cannot be used.
    """
    if question.kind is Kind.SCHEDULE and question.schedule is not None:
        present = _with_schedule(question.schedule)
    balance = balance_of(question) if question.kind is Kind.BALANCE else None
    weights = {PoolKey(key): part for key, part in question.weights.items()}
    return changed(present, Plan(kind=question.kind, weights=weights, balance=balance))


def balance_of(question: Question) -> BalanceConfig:
    """The settings that are tried."""
    values = dict(question.balance)
    strategy = BalanceStrategy(str(values.pop("strategy")))
    return BalanceConfig(strategy=strategy, **values)  # type: ignore[arg-type]


def _with_schedule(pk: int) -> ConfigSnapshot:
    """The configuration with one more schedule: it is enabled, read as the proxy reads it, and taken back."""
    with transaction.atomic():
        row = Schedule.objects.filter(pk=pk).first()
        if row is None:
            raise ConfigError(_("This schedule is not there any more."))
        row.enabled = True
        row.save()
        config = load_snapshot()
        transaction.set_rollback(True)
    return config


def differs(question: Question) -> bool:
    """Whether its settings of auto-balance are others than those that are stored."""
    row = BalanceSettings.load()
    return any(getattr(row, name) != value for name, value in question.balance.items())
