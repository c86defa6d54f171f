"""What the API says of what is kept: rates, shares, blocks, best shares, odds, audit log, log; and the settings."""

from collections.abc import Mapping

from ninja import Schema

from dashboard.api.values import Number, PoolKeyText, Text


class RateHistory(Schema):
    """Hash rate by pool; null where nothing was recorded."""

    span: str
    step_s: int
    times_unix_s: list[int]
    hashes_per_s_by_pool: dict[str, list[Number | None]]


class ShareHistory(Schema):
    """Accepted shares by pool; null where nothing was recorded."""

    span: str
    step_s: int
    times_unix_s: list[int]
    shares_per_min_by_pool: dict[str, list[Number | None]]


class Block(Schema):
    """A share that solved a block."""

    id: int
    at_unix_s: Number
    worker: Text
    pool: str
    chain: str
    height: int | None
    hash_hex: str
    true_difficulty: Number
    network_difficulty: Number
    verdict: str
    """``accepted``, ``rejected``, ``unanswered``, or ``pending``: no answer known."""
    message: Text
    fate: str
    """What became of it if the connection broke before the answer; else empty."""
    confirmations: int | None
    """As a node or explorer server in the settings of auto-balance said last; -1: orphaned; null: not known."""


class Blocks(Schema):
    """A page of blocks, newest first."""

    items: list[Block]
    next_cursor: str | None


class BestShare(Schema):
    """One of the best shares of a chain or worker."""

    id: int
    at_unix_s: Number
    worker: Text
    pool: str
    chain: str
    true_difficulty: Number


class BestShares(Schema):
    """A page of best shares, the best first."""

    items: list[BestShare]
    next_cursor: str | None


class Odds(Schema):
    """What is to be expected on a pool's chain at the hash rate that it is meant to get; null until one is measured."""

    pool: PoolKeyText
    hashes_per_s: Number | None
    time_per_block_s: Number | None
    block_a_day_probability: Number | None
    block_a_year_probability: Number | None
    expected_best_share_difficulty: Number


class AuditLine(Schema):
    """One change by a person."""

    id: int
    at_unix_s: Number
    who: Text
    action: Text
    subject: Text
    old: Text
    new: Text


class Audit(Schema):
    """A page of the audit log, newest first."""

    items: list[AuditLine]
    next_cursor: str | None


class LogLine(Schema):
    """One line of the log; ``fields`` as in the file."""

    id: int
    at_unix_s: Number
    level: str
    event: str
    session: int | None
    worker: Text | None
    pool: str | None
    fields: Mapping[str, object]


class LogLines(Schema):
    """The newest lines that match, newest first. Ask again with ``after`` = the largest ``id``."""

    items: list[LogLine]


class Setting(Schema):
    """A setting in force and where it comes from; secrets are not shown."""

    group: str
    name: str
    value: Text
    origin: str
