"""Sources of network data over HTTP, each turned into ``NetworkReading``.

Answers are untrusted: every number passes ``_number``, every other value a check of its own.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from proxy.balance.readings import NetworkReading, Span, scales
from proxy.config.snapshot import BalanceSourceConfig
from proxy.net.http_client import HttpFetcher, SourceError, SourceNonsense, SourceRefused
from proxy.sentence import sentence
from proxy.types import HASHES_PER_DIFFICULTY, Chain

ORACLE_STALE_S = 1_200.0
MAX_WINDOW = 10_000
TIP_STALE_S = 24 * 3600.0
"""A node whose newest block is older is out of sync."""

_HASH = re.compile(r"[0-9a-f]{64}")

Readings = list[NetworkReading]


class Question:
    """One poll of one source: its configuration and the wanted windows."""

    def __init__(
        self, *, name: str, config: BalanceSourceConfig, ask: HttpFetcher, now: float, short: int = 6, long: int = 72
    ) -> None:
        self.name = name
        self.config = config
        self.ask = ask
        self.now = now
        """Unix seconds."""
        self.short = short
        self.long = long

    @property
    def base(self) -> str:
        """The address without a trailing ``/api``."""
        return self.config.url.rstrip("/").removesuffix("/api")


async def fetch(question: Question) -> Readings:
    """Poll the source; returns at least one reading.

    Raises:
        SourceError: there is no usable answer; its text says why.
    """
    asker = _ASKERS.get(question.config.kind)
    if asker is None:
        raise SourceRefused(f'"{question.config.kind}" is no source that can be asked.')
    return await asker(question)


# --- DPMP oracle ----------------------------------------------------------------------------------------------------


async def ask_oracle(question: Question) -> Readings:
    """DPMP v2's oracle JSON: BTC and BCH, with the oracle's own two windows."""
    answer = _mapping(await question.ask.json(question.config.url), "The answer")
    if answer.get("ok") is not True:
        raise SourceRefused(f"The oracle says: {_text(answer.get('error')) or 'not ok, without a reason'}")
    taken_at, note = _oracle_time(answer.get("ts"), question.now)
    short, long = _oracle_windows(answer)
    return [
        _oracle_chain(answer, chain, question.name, taken_at, short, long, note) for chain in (Chain.BTC, Chain.BCH)
    ]


def _oracle_time(value: object, now: float) -> tuple[float, str]:
    """When the oracle's data was collected; data without a readable time counts as fresh, as in DPMP v2."""
    try:
        stamp = datetime.strptime(_text(value), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return now, "the oracle does not tell how old this is"
    if now - stamp > ORACLE_STALE_S:
        raise SourceRefused(f"The oracle's data is {(now - stamp) / 60:.0f} minutes old.")
    return min(stamp, now), ""


def _oracle_windows(answer: Mapping[str, Any]) -> tuple[int, int]:
    short = int(_number({"short_window": 6, **answer}, "short_window", 1, MAX_WINDOW))
    long = int(_number({"long_window": 72, **answer}, "long_window", 1, MAX_WINDOW))
    if short >= long:
        raise SourceNonsense(f"The oracle's short window ({short}) is not below its long window ({long}).")
    return short, long


def _oracle_chain(
    answer: Mapping[str, Any], chain: Chain, name: str, taken_at: float, short: int, long: int, note: str
) -> NetworkReading:
    key = chain.value.lower()
    difficulty = _number(answer, f"{key}_difficulty", 1e-12, 1e30)
    latest, at_short, at_long = (_number(answer, f"{key}_ts_{which}", 0, 1e12) for which in ("latest", "short", "long"))
    spans: tuple[Span, ...] = ()
    if latest > at_short and latest > at_long:
        spans = (
            Span(blocks=short, seconds=latest - at_short, difficulty=difficulty),
            Span(blocks=long, seconds=latest - at_long, difficulty=difficulty),
        )
    else:  # miners may set them two hours off; the ratio is 1 then, as in DPMP v2
        note = sentence("the block times run backwards, the hash rate is taken as unchanged")
    return NetworkReading(
        chain=chain,
        source=name,
        taken_at=taken_at,
        difficulty=difficulty,
        spans=spans,
        short_blocks=short,
        long_blocks=long,
        note=note,
    )


# --- Node -----------------------------------------------------------------------------------------------------------


async def ask_node(question: Question) -> Readings:
    """Bitcoin Core or Knots, BCHN, or DigiByte Core over JSON-RPC."""
    chain = question.config.chain
    if chain is Chain.OTHER:
        raise SourceRefused("Say which chain the node is on.")
    mining = _mapping((await _rpc(question, [("getmininginfo", [])]))[0], "getmininginfo")
    height = int(_number(mining, "blocks", 0, 500_000_000))
    difficulty = _node_difficulty(mining, chain)
    if chain is Chain.DGB:
        return [
            NetworkReading(
                chain=chain,
                source=question.name,
                taken_at=question.now,
                difficulty=difficulty,
                height=height + 1,
                note=sentence("a DigiByte node tells the difficulty only"),
            )
        ]
    headers = await _headers(question, height)
    if question.now - headers[0].time > TIP_STALE_S:
        raise SourceRefused(f"The node's newest block is {(question.now - headers[0].time) / 3600:.0f} hours old.")
    return [_reading_of_headers(question, chain, headers, difficulty)]


def _node_difficulty(mining: Mapping[str, Any], chain: Chain) -> float:
    """DigiByte has no ``difficulty`` but one for each algorithm; its ``networkhashps`` mixes them and is of no use."""
    if chain is not Chain.DGB:
        if "difficulties" in mining and "difficulty" not in mining:
            raise SourceNonsense("This is a DigiByte node: choose its chain.")
        return _number(mining, "difficulty", 1e-12, 1e30)
    difficulties = _mapping(mining.get("difficulties"), "difficulties")
    return _number(difficulties, "sha256d", 1e-12, 1e30)


class _Header:
    """The used fields of a block's header."""

    def __init__(self, height: int, fields: Mapping[str, Any], time_key: str) -> None:
        self.height = height
        self.time = _number(fields, time_key, 0, 1e12)
        self.difficulty = _number(fields, "difficulty", 1e-12, 1e30)
        work = fields.get("chainwork")
        self.work = int(work, 16) if isinstance(work, str) and _HASH.fullmatch(work) else None
        if fields.get("height") not in (None, height):
            raise SourceNonsense(f"Asked for block {height}, got another.")


async def _headers(question: Question, tip: int) -> list[_Header]:
    """The headers of the tip and of each window's start, newest first."""
    heights = [tip, *(tip - blocks for blocks in scales(question.short, question.long) if blocks <= tip)]
    hashes = [_block_hash(found) for found in await _rpc(question, [("getblockhash", [h]) for h in heights])]
    found = await _rpc(question, [("getblockheader", [block_hash, True]) for block_hash in hashes])
    return [
        _Header(height, _mapping(fields, "getblockheader"), "time")
        for height, fields in zip(heights, found, strict=True)
    ]


async def _rpc(question: Question, calls: Sequence[tuple[str, list[object]]]) -> list[Any]:
    """The results of one batch of calls."""
    answers = await _rpc_answers(question, calls)
    return [_rpc_result(answer, method) for answer, (method, _) in zip(answers, calls, strict=True)]


async def _rpc_answers(question: Question, calls: Sequence[tuple[str, list[object]]]) -> list[Mapping[str, Any] | None]:
    """One batch of JSON-RPC 1.0 calls; all three nodes answer batches, in any order."""
    batch = [
        {"jsonrpc": "1.0", "id": number, "method": method, "params": params}
        for number, (method, params) in enumerate(calls)
    ]
    auth = (question.config.user, question.config.password) if question.config.user else None
    answers = await question.ask.json(question.config.url, auth=auth, payload=batch)
    if isinstance(answers, Mapping):
        raise SourceRefused(f"The node says: {_rpc_problem(answers.get('error'))}")
    if not isinstance(answers, list) or len(answers) != len(calls):
        raise SourceNonsense("The answer is no list of results.")
    by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, Mapping)}
    return [by_id.get(number) for number in range(len(calls))]


def _rpc_result(answer: Mapping[str, Any] | None, method: str) -> Any:
    if answer is None:
        raise SourceNonsense(f"The result of {method} is missing.")
    if answer.get("error") is not None:
        raise SourceRefused(f"The node says to {method}: {_rpc_problem(answer['error'])}")
    return answer.get("result")


def _rpc_problem(error: object) -> str:
    return _text(error.get("message") if isinstance(error, Mapping) else error) or "an error without words"


def _reading_of_headers(question: Question, chain: Chain, headers: list[_Header], difficulty: float) -> NetworkReading:
    tip = headers[0]
    spans = [_span(tip, header) for header in headers[1:]]
    used = _rising([span for span in spans if span is not None])
    note = "" if len(used) == len(spans) else sentence("some block times run backwards")
    return NetworkReading(
        chain=chain,
        source=question.name,
        taken_at=question.now,
        difficulty=difficulty,
        height=tip.height + 1,
        spans=used,
        short_blocks=question.short,
        long_blocks=question.long,
        note=note,
    )


def _rising(spans: list[Span]) -> tuple[Span, ...]:
    """The spans whose times grow with their blocks; miners' clocks may be two hours off."""
    used: list[Span] = []
    for span in spans:
        if not used or span.seconds > used[-1].seconds:
            used.append(span)
    return tuple(used)


def _span(tip: _Header, start: _Header) -> Span | None:
    """The span from ``start`` to ``tip``, its difficulty by chainwork; None if the time ran backwards."""
    blocks, seconds = tip.height - start.height, tip.time - start.time
    if seconds <= 0:
        return None
    mean = (tip.difficulty + start.difficulty) / 2.0
    if tip.work is not None and start.work is not None and tip.work > start.work:
        mean = (tip.work - start.work) / blocks / HASHES_PER_DIFFICULTY
    return Span(blocks=blocks, seconds=seconds, difficulty=mean)


# --- mempool-style REST ---------------------------------------------------------------------------------------------


async def ask_mempool(question: Question) -> Readings:
    """mempool or another server with Esplora's paths, for BTC; with mempool's prices also the price."""
    tip = await _rest_number(question, "/api/blocks/tip/height")
    heights = [
        tip,
        *(
            tip - blocks
            for blocks in (question.short, question.long, scales(question.short, question.long)[-1])
            if blocks <= tip
        ),
    ]
    headers = [await _rest_header(question, height) for height in heights]
    if question.now - headers[0].time > TIP_STALE_S:
        raise SourceRefused("The server's newest block is more than a day old.")
    reading = _reading_of_headers(question, Chain.BTC, headers, headers[0].difficulty)
    return [replace(reading, price=await _rest_price(question))]


async def _rest_number(question: Question, path: str) -> int:
    return int(_number({path: await question.ask.json(question.base + path)}, path, 0, 500_000_000))


async def _rest_header(question: Question, height: int) -> _Header:
    text = (await question.ask.body(f"{question.base}/api/block-height/{height}")).decode("ascii", "replace").strip()
    fields = await question.ask.json(f"{question.base}/api/block/{_block_hash(text)}")
    return _Header(height, _mapping(fields, "The block"), "timestamp")


async def _rest_price(question: Question) -> float | None:
    """US dollars for a coin; None where the server has no prices, as Esplora."""
    try:
        prices = _mapping(await question.ask.json(f"{question.base}/api/v1/prices"), "prices")
        return _number(prices, "USD", 1e-12, 1e15)
    except SourceError:
        return None


# --- Confirmations --------------------------------------------------------------------------------------------------

NOT_IN_CHAIN = -1
"""Confirmations of a block that is not part of the best chain, as Bitcoin Core counts (``getblockheader``)."""
_BLOCK_NOT_FOUND = -5
"""RPC_INVALID_ADDRESS_OR_KEY of Bitcoin Core, which BCHN and DigiByte Core share."""


def can_confirm(source: BalanceSourceConfig, chain: Chain) -> bool:
    """Whether the source knows the blocks of ``chain``."""
    return (source.kind == "node" and source.chain is chain) or (source.kind == "mempool" and chain is Chain.BTC)


async def ask_confirmations(question: Question, block_hash: str) -> int | None:
    """How many blocks of the best chain end with or follow the block; ``NOT_IN_CHAIN`` for an orphan, None if unknown.

    Raises:
        SourceError: there is no usable answer; its text says why.
    """
    _block_hash(block_hash)
    if question.config.kind == "node":
        return await _node_confirmations(question, block_hash)
    return await _rest_confirmations(question, block_hash)


async def _node_confirmations(question: Question, block_hash: str) -> int | None:
    method = "getblockheader"
    [answer] = await _rpc_answers(question, [(method, [block_hash, True])])
    error = answer.get("error") if answer else None
    if isinstance(error, Mapping) and error.get("code") == _BLOCK_NOT_FOUND:
        return None
    return int(_number(_mapping(_rpc_result(answer, method), method), "confirmations", NOT_IN_CHAIN, 500_000_000))


async def _rest_confirmations(question: Question, block_hash: str) -> int:
    """By Esplora's ``/block/:hash/status``, which mempool passes on."""
    status = _mapping(await question.ask.json(f"{question.base}/api/block/{block_hash}/status"), "The block's status")
    if status.get("in_best_chain") is not True:
        return NOT_IN_CHAIN
    height = int(_number(status, "height", 0, 500_000_000))
    return max(0, await _rest_number(question, "/api/blocks/tip/height") - height) + 1


# --- Fields ---------------------------------------------------------------------------------------------------------


def _block_hash(value: object) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise SourceNonsense("That is no block hash.")
    return value


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SourceNonsense(f"{what} is no JSON object.")
    return value


def _number(fields: Mapping[str, Any], key: str, low: float, high: float) -> float:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise SourceNonsense(f'"{key}" is missing or no number.')
    if not low <= value <= high:
        raise SourceNonsense(f'"{key}" is {value:g}, which cannot be.')
    return float(value)


def _text(value: object) -> str:
    """A text of the source, cut to 200 characters."""
    return value[:200] if isinstance(value, str) else ""


_ASKERS: dict[str, Callable[[Question], Awaitable[Readings]]] = {
    "oracle": ask_oracle,
    "node": ask_node,
    "mempool": ask_mempool,
}
