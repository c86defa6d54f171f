"""Which chain a pool's jobs are of: pools of ``Chain.OTHER`` each stand alone, because nobody knows what they mine."""

from functools import lru_cache

from proxy.types import Chain, PoolKey

ChainKey = tuple[Chain, PoolKey | None]


@lru_cache(maxsize=256)
def chain_key(chain: Chain, pool: PoolKey) -> ChainKey:
    """Return the key under which everything known of ``pool``'s chain is kept: one for all its connections."""
    return chain, pool if chain is Chain.OTHER else None
