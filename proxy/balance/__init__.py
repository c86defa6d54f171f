"""Auto-balance: what the chains' networks do, how sure that is, and which weights follow from it.

``AutoBalance`` measures always and decides at each poll; who polls and who acts on the weights is outside.
"""

from proxy.balance.auto_balance import AutoBalance
from proxy.balance.balance_view import BalanceView, ChainView, HistoryPoint
from proxy.balance.observed import ObservedBlock, Observer
from proxy.balance.readings import NetworkReading, Span, hash_rate

__all__ = [
    "AutoBalance",
    "BalanceView",
    "ChainView",
    "HistoryPoint",
    "NetworkReading",
    "ObservedBlock",
    "Observer",
    "Span",
    "hash_rate",
]
