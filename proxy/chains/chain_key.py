"""Which chain a pool's jobs are of: pools of ``Chain.OTHER`` each stand alone, because nobody knows what they mine."""

from proxy.types import Chain, PoolKey

ChainKey = tuple[Chain, PoolKey | None]


def chain_key(chain: Chain, pool: PoolKey) -> ChainKey:
    """Return the key under which everything known of ``pool``'s chain is kept."""
    return chain, pool if chain is Chain.OTHER else None
