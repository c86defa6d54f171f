"""Resumes the delivery of block candidates that an earlier run left without an answer."""

from collections.abc import Iterable

from proxy.engine.delivery import UndeliveredBlock
from proxy.engine.engine import Engine
from proxy.history.journal_undelivered import JournalBlock
from proxy.stratum.upstream_handshake import Credentials
from proxy.types import BlockFate


def resume_delivery(blocks: Iterable[JournalBlock], engine: Engine) -> None:
    """Let ``engine`` send what may still be sent, and give up the rest. A block that was resent is never sent again.

    Only servers that are configured now are dialled, with the pool's password ("x" where it has none: a miner's own is
    not kept).
    """
    for left in blocks:
        config = engine.config.pools.get(left.pool)
        endpoints = {str(endpoint): endpoint for endpoint in config.endpoints} if config is not None else {}
        block = UndeliveredBlock(
            worker=left.worker,
            pool=left.pool,
            chain=left.chain,
            header_hash=left.header_hash,
            endpoint=endpoints.get(left.endpoint),
            session_id=left.pool_session,
            extranonce1=left.extranonce1,
            submit=left.submit,
            age_s=max(0.0, engine.clock.wall() - left.at),
            credentials=Credentials(
                agent=f"dpmp/{engine.version}",
                user=str(left.submit[0]),
                password=(config.password if config is not None else "") or "x",
            ),
        )
        if left.sent_again:
            engine.delivery.give_up(block, BlockFate.NO_ANSWER)
        else:
            engine.delivery.deliver(block)
