"""What became of a block found is asked of the node or explorer server of its chain, and stored."""

import json
from datetime import UTC, datetime

import pytest

from proxy.balance.confirmations import ASK_EVERY_S, Confirmations
from proxy.config.snapshot import BalanceSourceConfig
from proxy.models.history import Block
from proxy.net.http_client import ClientWhenNeeded, HttpLimits
from proxy.types import Chain
from tests.balance.balance_cast import snapshot
from tests.balance.http_cast import plain_client, reply, serve
from tests.support.clock import VirtualClock
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)
OURS = f"{7:064x}"


class ChainNode:
    """A node that knows the block hashes in ``confirmations``, over JSON-RPC."""

    def __init__(self, **confirmations):
        self.confirmations = confirmations

    async def __call__(self, request, writer):
        [call] = json.loads(request.body)
        assert call["method"] == "getblockheader" and call["params"][1] is True
        known = self.confirmations.get(call["params"][0])
        error = {"code": -5, "message": "Block not found"} if known is None else None
        await reply([{"id": call["id"], "error": error, "result": known and {"confirmations": known}}])(request, writer)


def block(header_hash=OURS, chain="BCH", **fields):
    return Block.objects.create(
        **{
            "header_hash": header_hash,
            "worker": "garage",
            "pool": "B",
            "chain": chain,
            "at": datetime.fromtimestamp(VirtualClock().wall(), UTC),
            "header": "00" * 80,
            "coinbase": "00",
            "nbits": 1,
            "true_difficulty": 1.0,
            "network_difficulty": 1.0,
            "verdict": "accepted",
            **fields,
        }
    )


class Asking:
    """The service on virtual time, with the sources of one configuration."""

    def __init__(self, *sources):
        self.clock = VirtualClock()
        self.service = Confirmations(clock=self.clock, limits=HttpLimits(timeout_s=PATIENCE_S))
        self.service.apply(snapshot(sources=sources))

    async def ask(self, after_s=0.0):
        self.clock.advance(after_s)
        async with plain_client() as client:
            await self.service.ask_open(ClientWhenNeeded(client))


def node_at(server, chain=Chain.BCH):
    return BalanceSourceConfig(kind="node", url=server.url, chain=chain, user="ann", password="secret")


async def stored(header_hash=OURS):
    return (await Block.objects.aget(header_hash=header_hash)).confirmations


async def ask_later(asking):
    await asking.ask(after_s=ASK_EVERY_S)


async def made(**fields):
    from asgiref.sync import sync_to_async

    return await sync_to_async(block)(**fields)


async def test_confirmations_grow_as_the_node_says_until_the_reward_can_be_spent():
    await made()
    node = ChainNode(**{OURS: 1})
    async with serve(node) as server:
        asking = Asking(node_at(server))
        await asking.ask()
        assert await stored() == 1
        for said in (6, 100):
            node.confirmations[OURS] = said
            await ask_later(asking)
            assert await stored() == said
        asked = len(server.requests)
        await ask_later(asking)
        assert len(server.requests) == asked, "mature: no further question"
        assert server.requests[0].login == "ann:secret"


async def test_orphan_is_known_and_can_come_back():
    await made()
    node = ChainNode(**{OURS: 2})
    async with serve(node) as server:
        asking = Asking(node_at(server))
        await asking.ask()
        for said in (-1, 3):
            node.confirmations[OURS] = said
            await ask_later(asking)
            assert await stored() == said


async def test_block_is_asked_about_once_in_ten_minutes_and_of_no_node_of_another_chain():
    await made()
    async with serve(ChainNode(**{OURS: 1})) as server:
        other = Asking(node_at(server, Chain.BTC), BalanceSourceConfig(kind="observed"))
        await other.ask()
        assert server.requests == []
        asking = Asking(node_at(server))
        await asking.ask()
        await asking.ask(after_s=60.0)
        assert len(server.requests) == 1


async def test_block_that_no_node_knows_keeps_what_was_known():
    await made(confirmations=4)
    await made(header_hash=f"{8:064x}")
    async with serve(ChainNode()) as server:
        await Asking(node_at(server)).ask()
        assert len(server.requests) == 2
    assert await stored() == 4
    assert await stored(f"{8:064x}") is None


async def test_block_of_weeks_ago_is_asked_about_no_more():
    await made(at=datetime.fromtimestamp(VirtualClock().wall() - 20 * 86400, UTC))
    async with serve(ChainNode(**{OURS: 5})) as server:
        await Asking(node_at(server)).ask()
        assert server.requests == []


class Explorer:
    """Esplora's paths for one block, 900,000 the tip."""

    def __init__(self, status):
        self.status = status

    async def __call__(self, request, writer):
        paths = {f"/api/block/{OURS}/status": self.status, "/api/blocks/tip/height": 900_000}
        body = paths.get(request.path)
        await (reply({}, 404) if body is None else reply(body))(request, writer)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"in_best_chain": True, "height": 899_995, "next_best": "00"}, 6),
        ({"in_best_chain": True, "height": 900_001}, 1),
        ({"in_best_chain": False}, -1),
        ({"in_best_chain": True, "height": "many"}, None),
        ([], None),
        (None, None),
    ],
)
async def test_mempool_servers_know_blocks_of_bitcoin(status, said):
    await made(chain="BTC")
    async with serve(Explorer(status)) as server:
        await Asking(BalanceSourceConfig(kind="mempool", url=server.url)).ask()
    assert await stored() == said


@pytest.mark.no_cover
@pytest.mark.parametrize("confirmations", [None, -2, 1.5e12, "6", True])
async def test_nonsense_of_a_node_is_not_believed_and_the_next_source_is_asked(confirmations):
    await made()
    lie = reply([{"id": 0, "error": None, "result": {"confirmations": confirmations}}])
    async with serve(lie) as bad, serve(ChainNode(**{OURS: 3})) as good:
        await Asking(node_at(bad), node_at(good)).ask()
    assert await stored() == 3


async def test_database_that_is_busy_ends_nothing(caplog):
    from django.db import OperationalError

    class Busy:
        def open(self, chains, now):
            raise OperationalError("database is locked")

    async with serve(ChainNode()) as server, plain_client() as client:
        service = Confirmations(clock=VirtualClock(), store=Busy())
        service.apply(snapshot(sources=(node_at(server),)))
        await service.ask_open(ClientWhenNeeded(client))
    assert "database is locked" in caplog.text
