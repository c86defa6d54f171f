"""Auto-balance: what the chains' networks do, how sure that is, and which weights follow from it.

``AutoBalance`` measures always and decides at each poll; who polls and who acts on the weights is outside.
"""

from proxy.core.balance.engine import AutoBalance
from proxy.core.balance.observed import ObservedBlock, Observer
from proxy.core.balance.readings import NetworkReading, Span, hash_rate
from proxy.core.balance.view import BalanceView, ChainView, HistoryPoint

__all__ = ["AutoBalance", "BalanceView", "ChainView", "HistoryPoint", "NetworkReading", "ObservedBlock", "Observer",
           "Span", "hash_rate"]
