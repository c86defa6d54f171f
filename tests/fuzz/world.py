"""A whole engine in virtual time with all that listens to its events, and one honest miner that must not suffer."""

from proxy.balance.auto_balance import AutoBalance
from proxy.chains.chain_observer import ChainObserver
from proxy.history.accounting import Accounting
from proxy.observe.events import Event, InternalError
from proxy.observe.log.lines import Entry, line_of
from proxy.types import Chain
from tests.support.world import EASY, ScriptedMiner, World

PATIENCE_S = 300.0
HONEST = "addr.honest"


class FuzzedWorld(World):
    """Events are written as lines of the log and forgotten."""

    def __init__(self) -> None:
        super().__init__({"A": 8, "B": 4}, chains={"A": Chain.BTC, "B": Chain.BCH})
        self.accounting = Accounting(clock=self.clock, events=self.events, hashes_per_difficulty=EASY)
        self.accounting.apply(self.config)
        self.chain = ChainObserver(clock=self.clock, events=self.events, hashes_per_difficulty=EASY)
        self.balance = AutoBalance(clock=self.clock, events=self.events)
        self.honest: ScriptedMiner = self.miner(user=HONEST)
        self.advance(1)

    def look(self) -> None:
        """Write what was seen.

        Raises:
            AssertionError: a fault of ours among it.
        """
        for number, event in enumerate(self.seen):
            assert not isinstance(event, InternalError), event
            _line(event, number, self.clock.wall())
        self.seen.clear()

    def check(self) -> None:
        """The honest miner has work, and gets a verdict about a share."""
        self.advance(1)
        until = self.clock.now() + PATIENCE_S
        while self.clock.now() < until:
            if self.honest.link.closed:
                self.honest = self.miner(user=HONEST)
                self.advance(1)
            if self.honest.all("mining.notify") and self._verdict():
                self.look()
                return
            self.advance(10)
        raise AssertionError("the honest miner has no work")

    def _verdict(self) -> bool:
        """A stale one may be among them, for its pool may just have gone."""
        ident = self.honest.submit(nonce=f"{int(self.clock.now() * 10):08x}")
        self.advance(1)
        return any(answer.get("result") is True for answer in self.honest.answers(ident))


def _line(event: Event, number: int, wall: float) -> None:
    session = getattr(event, "session", None)
    worker, pool = getattr(event, "worker", None), getattr(event, "pool", None)
    line_of(Entry(number, wall, event, session, worker, pool), None).json()
