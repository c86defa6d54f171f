"""Where a block can be looked up: one public explorer for each chain. Nothing is asked of it before somebody clicks."""

from collections.abc import Mapping

from proxy.types import Chain

_BLOCK_PAGES: Mapping[str, str] = {
    Chain.BTC: "https://mempool.space/block/",
    Chain.BCH: "https://blockchair.com/bitcoin-cash/block/",
    Chain.DGB: "https://digiexplorer.info/block/",
}


def block_page(chain: str, header_hash: str) -> str:
    """The address of a block's page; empty for a chain without a known explorer."""
    page = _BLOCK_PAGES.get(chain)
    return f"{page}{header_hash}" if page and header_hash else ""
