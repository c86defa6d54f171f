"""What each source's answers mean, and what is refused because it cannot be true."""

import json
from datetime import UTC, datetime

import pytest

from proxy.balance.readings import hash_rate
from proxy.balance.sources import Question, fetch
from proxy.config.snapshot import BalanceSourceConfig
from proxy.net.http_client import HttpFetcher, HttpLimits, SourceError, SourceNonsense, SourceRefused
from proxy.types import HASHES_PER_DIFFICULTY, Chain
from tests.balance.http_cast import plain_client, reply, serve
from tests.support.patience import PATIENCE_S

NOW = 1_790_000_000.0
RATE = 1e12 * HASHES_PER_DIFFICULTY / 600.0
ORACLE = {
    "ok": True,
    "ts": "2026-09-21 14:13:20",
    "short_window": 6,
    "long_window": 72,
    "btc_difficulty": 1e12,
    "bch_difficulty": 1e12,
    "btc_ts_latest": 1789999000,
    "btc_ts_short": 1789995400,
    "btc_ts_long": 1789955800,
    "bch_ts_latest": 1789999000,
    "bch_ts_short": 1789991800,
    "bch_ts_long": 1789955800,
}


async def ask(answer, kind, chain=Chain.OTHER, **fields):
    async with serve(answer) as server, plain_client() as client:
        config = BalanceSourceConfig(kind=kind, url=server.url, chain=chain, **fields)
        question = Question(
            name=kind, config=config, now=NOW, ask=HttpFetcher(client, HttpLimits(timeout_s=PATIENCE_S))
        )
        return await fetch(question)


def test_the_oracles_time_in_these_tests_is_fresh():
    stamp = datetime.strptime(ORACLE["ts"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    assert NOW - stamp == 0


async def test_oracle_tells_both_chains_in_its_own_windows():
    btc, bch = await ask(reply(ORACLE), "oracle")
    assert (btc.chain, bch.chain) == (Chain.BTC, Chain.BCH)
    assert hash_rate(btc.short) == pytest.approx(RATE)
    assert hash_rate(btc.long) == pytest.approx(RATE)
    assert hash_rate(bch.short) == pytest.approx(RATE / 2)
    assert (btc.short_blocks, btc.long_blocks, btc.taken_at) == (6, 72, NOW)


async def test_oracle_windows_default_to_v2s():
    answer = {key: value for key, value in ORACLE.items() if not key.endswith("_window")}
    btc, _ = await ask(reply(answer), "oracle")
    assert (btc.short.blocks, btc.long.blocks) == (6, 72)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ok": False, "error": "database gone"}, "database gone"),
        ({"ok": False}, "without a reason"),
        ({"ok": "yes"}, "not ok"),
        ({"ts": "2026-09-21 13:50:00"}, "23 minutes old"),
        ({"btc_difficulty": None}, "btc_difficulty"),
        ({"btc_difficulty": -1}, "cannot be"),
        ({"bch_difficulty": "12"}, "no number"),
        ({"bch_difficulty": True}, "no number"),
        ({"btc_difficulty": 0}, "cannot"),
        ({"btc_ts_latest": {}}, "btc_ts_latest"),
        ({"short_window": 0}, "cannot"),
        ({"long_window": 6}, "not below"),
        ({"short_window": 1e9}, "cannot be"),
    ],
)
async def test_oracle_answers_that_cannot_be_used_are_explained(change, words):
    with pytest.raises(SourceError, match=words):
        await ask(reply(ORACLE | change), "oracle")


async def test_oracle_without_a_readable_time_is_taken_as_fresh_and_says_so():
    btc, _ = await ask(reply(ORACLE | {"ts": "yesterday"}), "oracle")
    assert btc.taken_at == NOW
    assert "how old" in btc.note


async def test_oracle_block_times_that_run_backwards_leave_the_rate_open_as_in_v2():
    btc, bch = await ask(reply(ORACLE | {"btc_ts_short": 1789999001}), "oracle")
    assert btc.spans == ()
    assert "backwards" in btc.note
    assert bch.short is not None


@pytest.mark.parametrize("body", [[], 1, None, "ok"])
async def test_an_oracle_answer_of_another_shape_is_nonsense(body):
    with pytest.raises(SourceNonsense, match="no JSON object"):
        await ask(reply(body), "oracle")


class Node:
    """A node's JSON-RPC, block 900,000 at the tip, ten minutes a block."""

    def __init__(self, **fields):
        self.tip, self.spacing, self.newest = 900_000, 600, NOW - 60
        self.mining = {"blocks": self.tip, "difficulty": 1e12, "chain": "main"}
        self.work = True
        vars(self).update(fields)

    def header(self, height):
        work = {"chainwork": f"{int(height * 1e12 * HASHES_PER_DIFFICULTY):064x}"} if self.work else {}
        return {"height": height, "time": self.newest - (self.tip - height) * self.spacing, "difficulty": 1e12} | work

    def call(self, method, params):
        if method == "getmininginfo":
            return self.mining
        if method == "getblockhash":
            return f"{params[0]:064x}"
        return self.header(int(params[0], 16))

    async def __call__(self, request, writer):
        assert request.login in ("ann:secret", "")
        calls = json.loads(request.body)
        answers = [
            {"id": call["id"], "error": None, "result": self.call(call["method"], call["params"])} for call in calls
        ]
        await reply(answers[::-1])(request, writer)


LOGIN = {"user": "ann", "password": "secret"}


@pytest.mark.parametrize("chain", [Chain.BTC, Chain.BCH])
async def test_node_tells_height_difficulty_and_rates(chain):
    [reading] = await ask(Node(), "node", chain, **LOGIN)
    assert (reading.chain, reading.height, reading.difficulty) == (chain, 900_001, 1e12)
    assert [span.blocks for span in reading.spans] == [6, 12, 24, 48, 72, 96, 288]
    assert hash_rate(reading.short) == pytest.approx(RATE)


async def test_node_without_chainwork_is_read_by_difficulties():
    [reading] = await ask(Node(work=False), "node", Chain.BCH, **LOGIN)
    assert hash_rate(reading.long) == pytest.approx(RATE)


async def test_digibyte_node_is_read_by_its_sha256d_difficulty_only():
    mining = {
        "blocks": 21_000_000,
        "pow_algo": "sha256d",
        "networkhashps": 1e19,
        "difficulties": {"sha256d": 5e8, "scrypt": 1e6},
    }
    [reading] = await ask(Node(mining=mining), "node", Chain.DGB, **LOGIN)
    assert (reading.difficulty, reading.spans) == (5e8, ())


@pytest.mark.parametrize(
    ("chain", "mining", "words"),
    [
        (Chain.BTC, {"blocks": 1, "difficulties": {"sha256d": 1.0}}, "DigiByte node"),
        (Chain.DGB, {"blocks": 1, "difficulty": 1.0}, "difficulties is no JSON object"),
        (Chain.DGB, {"blocks": 1, "difficulties": {"scrypt": 1.0}}, "sha256d"),
        (Chain.BTC, {"difficulty": 1.0}, "blocks"),
        (Chain.BTC, [], "no JSON object"),
        (Chain.OTHER, {}, "which chain"),
    ],
)
async def test_a_node_of_another_kind_is_recognised(chain, mining, words):
    with pytest.raises(SourceError, match=words):
        await ask(Node(mining=mining), "node", chain, **LOGIN)


async def test_a_node_that_lost_its_network_is_not_believed():
    with pytest.raises(SourceRefused, match="48 hours old"):
        await ask(Node(newest=NOW - 48 * 3600), "node", Chain.BTC)


async def test_header_times_that_run_backwards_are_left_out():
    [reading] = await ask(Node(spacing=-600), "node", Chain.BTC)
    assert reading.spans == ()
    assert "backwards" in reading.note


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            reply({"result": None, "error": {"code": -28, "message": "Loading block index"}, "id": None}, 500),
            "Loading block index",
        ),
        (
            reply([{"id": 0, "error": {"code": -32601, "message": "Method not found"}, "result": None}]),
            "Method not found",
        ),
        (reply([]), "no list of results"),
        (reply([{"id": 9, "result": {}}]), "missing"),
        (reply([3]), "missing"),
        (reply(b"", 401), "password"),
    ],
)
async def test_a_nodes_refusal_is_passed_on(answer, words):
    with pytest.raises(SourceError, match=words):
        await ask(answer, "node", Chain.BTC, **LOGIN)


class Mempool:
    """A mempool server over the same chain as ``Node``."""

    def __init__(self, **paths):
        self.node, self.paths = Node(), paths

    async def __call__(self, request, writer):
        name, _, last = request.path.removeprefix("/api/").rpartition("/")
        header = self.node.header(int(last, 16)) if name == "block" else {}
        answers = {
            "blocks/tip": b"900000",
            "v1": {"USD": 100_000, "EUR": 90_000},
            "block-height": f"{int(last):064x}".encode() if name == "block-height" else b"",
            "block": {"height": header.get("height"), "timestamp": header.get("time"), "difficulty": 1e12},
        }
        body = (answers | self.paths).get(name)
        await (reply(body) if body is not None else reply({}, 404))(request, writer)


async def test_mempool_tells_bitcoin_and_its_price():
    [reading] = await ask(Mempool(), "mempool")
    assert (reading.chain, reading.height, reading.price) == (Chain.BTC, 900_001, 100_000)
    assert hash_rate(reading.short) == pytest.approx(RATE)
    assert hash_rate(reading.long) == pytest.approx(RATE)


async def test_esplora_without_prices_is_enough():
    [reading] = await ask(Mempool(v1=None), "mempool")
    assert reading.price is None
    assert reading.long is not None


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ({"blocks/tip": b"soon"}, "no JSON"),
        ({"blocks/tip": b"-5"}, "cannot be"),
        ({"block-height": b"<html>"}, "no block hash"),
        ({"block": {"height": 3}}, "timestamp"),
        ({"block": []}, "object"),
        ({"block": {"height": 3, "timestamp": 1, "difficulty": 1}}, "got another"),
    ],
)
async def test_mempool_answers_that_cannot_be_used_are_explained(paths, words):
    with pytest.raises(SourceError, match=words):
        await ask(Mempool(**paths), "mempool")


async def test_what_cannot_be_asked_is_refused():
    with pytest.raises(SourceRefused, match="no source"):
        await ask(reply({}), "observed")
