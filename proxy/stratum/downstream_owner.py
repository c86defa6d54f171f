"""What a miner's endpoint asks of its owner, and what it hands over."""

from typing import NamedTuple, Protocol

from proxy.errors import RemoteProtocolError
from proxy.stratum.codec import JsonId
from proxy.stratum.extranonce import MinerExtranonce
from proxy.stratum.opening import Opening
from proxy.stratum.usual_forms import UsualSubmit
from proxy.types import Waste


class Submit(NamedTuple):
    """``mining.submit``, its types checked. ``version_bits`` None: five parameters.

    ``user`` may be one that was not authorised: a block found under a wrong name is a block.
    """

    id: JsonId
    user: str
    job_id: str
    extranonce2: bytes
    ntime: int
    nonce: int
    version_bits: int | None


class SubmitTaker(Protocol):
    """Who takes a miner's submits. Each is answered once, now or later, by ``accept`` or ``refuse``."""

    def plain_submit(self, submit: UsualSubmit) -> bool:
        """Take a submit as nearly all are, straight from its line. False: nothing was done, it is for ``submit``."""

    def submit(self, submit: Submit) -> None:
        """A share to check."""

    def bad_submit(self, ident: JsonId, job_id: str, code: int, text: str) -> None:
        """A submit that is no share, and the error to refuse it with."""


class DownstreamOwner(Protocol):
    """Who decides for a miner's connection. (The one implementation is outside this folder, which knows none above.)"""

    submits: SubmitTaker

    def miner_may_subscribe(self) -> bool:
        """Whether there may be work for a miner; if not, its subscribe is not answered."""

    def miner_subscribed(self, agent: str) -> MinerExtranonce:
        """Give the extranonce for the life of the connection."""

    def miner_version_mask(self, requested: int) -> int:
        """The version bits (within ``requested``) that the miner may roll for now."""

    def miner_speaks_otherwise(self, opening: Opening, head: bytes) -> bytes:
        """The peer speaks no Stratum V1, its bytes were ``head``; return what it is sent before it is closed."""

    def miner_may_authorize(self, user: str, password: str) -> str:
        """Why the user may not log in, as a sentence for the miner; "" if it may."""

    def miner_authorized(self, user: str, password: str) -> None:
        """A user logged in."""

    def miner_suggested(self, difficulty: float) -> None:
        """The miner suggests a difficulty."""

    def miner_minimum(self, difficulty: float) -> bool:
        """The miner asks never to get less; whether that will be kept."""

    def miner_called(self, method: str) -> None:
        """Any request but submit."""

    def miner_problem(self, problem: RemoteProtocolError) -> None:
        """The miner broke the protocol; ``miner_cost`` follows."""

    def miner_cost(self, points: float, what: Waste) -> None:
        """The miner sent what earns nothing; a point is about the work of one line. It may be slowed or cut off."""

    def miner_traffic(self, direction: str, payload: bytes) -> None:
        """Raw bytes (only if ``Downstream.traced``)."""

    def miner_handled(self) -> None:
        """All that one read brought has been answered; pushes may follow."""

    def miner_closed(self, reason: str) -> None:
        """The connection is over. Called once, last."""
