"""Which difficulty one miner asks for, may not go below, and what its pools are asked for on its behalf."""

from typing import TYPE_CHECKING

from proxy.engine.assigned_difficulty import TOO_RARE_SHARE_S, difficulty_to_suggest, suitable_difficulty
from proxy.engine.pool_link import PoolLink
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.session_part import SessionPart
from proxy.types import PoolKey

if TYPE_CHECKING:
    from proxy.engine.engine import Engine
    from proxy.engine.session import Session


class AskedDifficulty(SessionPart):
    """One session's."""

    __slots__ = ("_engine", "_granted", "_is_directive", "least", "suggested")

    def __init__(self, session: "Session", engine: "Engine") -> None:
        super().__init__(session)
        listener = engine.config.listener(session.listener)
        self.suggested: float | None = listener.default_difficulty
        self.least = listener.least_difficulty or 0.0
        """The miner gets no lower difficulty: its listener has it, or it was granted it (BIP 310); 0 for none."""
        self._granted = 0.0
        self._is_directive = False
        """Whether ``suggested`` is from its password: firmware suggests one of its own beside it."""
        self._engine = engine

    def suggest(self, difficulty: float, *, is_directive: bool = False) -> None:
        """The miner suggests it: so does the proxy to the pools, unless the miner's password says another one."""
        if self._is_directive:
            return
        self.suggested, self._is_directive = difficulty, is_directive
        self._session.facts_changed()
        for link in self._session.pool_links.own():
            self.suggest_to(link)

    def grant(self, difficulty: float) -> None:
        """The miner gets no less from its next job on; the pools are to know what is wanted."""
        self._granted = difficulty
        self.listener_changed()
        self.suggest(difficulty)

    def listener_changed(self) -> None:
        """Its listener may have another least difficulty: that holds from the next job on."""
        least = self._engine.config.listener(self._session.listener).least_difficulty or 0.0
        self.least = max(self._granted, least)

    # --- What pools are asked for ---------------------------------------------------------------------------------

    def on(self, pool: PoolKey, productive: ProductiveDifficulty, *, estimated: bool) -> float | None:
        """The difficulty that suits this miner on ``pool``: what it last worked at there, else what it suggested;
        with ``estimated`` else what its hash rate asks for. None where nothing is known.

        Without ``estimated`` a mere suggestion (firmware has one of its own) counts only once the hash rate is known:
        some pools keep a minimum for the life of the connection.
        """
        hashrate = self._engine.scheduler.rate(self._session.id)
        suggested = max(self.suggested or 0.0 if estimated or hashrate else 0.0, self.least)
        return suitable_difficulty(
            productive.value if productive.earned else 0.0,
            suggested,
            self._engine.pools[pool].config,
            hashrate=hashrate,
            hashes_per_difficulty=self._engine.hashes_per_difficulty,
            estimated=estimated,
        )

    def suggest_to(self, link: PoolLink) -> None:
        """Let a pool know what the miner suggests."""
        link.suggest(difficulty_to_suggest(self.suggested, link.pool.config, link.difficulty))

    def came_back_to(self, link: PoolLink) -> None:
        """The miner begins to work through ``link``: where its pool has gone far down meanwhile, ask for more."""
        if link.held_difficulty(link.difficulty):
            link.ask_for(self.on(link.pool.key, link.productive, estimated=True))
            self.suggest_to(link)

    def ask_for_less(self, link: PoolLink, difficulty: float) -> None:
        """A miner that has become far slower is not left at the minimum that the pool was once asked for."""
        rate = self._engine.scheduler.sure_rate(self._session.id)
        if rate and difficulty * self._engine.hashes_per_difficulty > TOO_RARE_SHARE_S * rate:
            suitable = self.on(link.pool.key, link.productive, estimated=True)
            if suitable is not None:
                link.renew_for_less(suitable)
