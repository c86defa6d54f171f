"""Do the pools' coinbases pay the wallet?"""

import pytest

from proxy.chains.payout import PayoutCheck
from proxy.config.snapshot import ConfigSnapshot, Endpoint, PayoutAction, PoolConfig
from proxy.observe.events import EventStream, PayoutChecked, PoolDisconnected, PoolNotify
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import Chain, ConnectionId
from tests.support.shares import A, Heard, coinbase_parts, notify

H20, H32 = bytes.fromhex("751e76e8199196d454941c45d1b3a323f1433bd6"), bytes(range(32))
STRANGER = b"\x76\xa9\x14" + b"s" * 20 + b"\x88\xac"
COMMITMENT = (b"\x6a\x24\xaa\x21\xa9\xed" + bytes(32), 0)
WALLETS = [  # addresses from BIP 173, BIP 350, the CashAddr specification; others computed from the same payloads
    (Chain.BTC, "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", b"\x76\xa9\x14" + H20 + b"\x88\xac"),
    (
        Chain.BTC,
        "3JvL6Ymt8MVWiCNHC7oWU6nLeHNJKLZGLN",
        b"\xa9\x14" + bytes.fromhex("bcfeb728b584253d5f3f70bcb780e9ef218a68f4") + b"\x87",
    ),
    (Chain.BTC, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", b"\0\x14" + H20),
    (
        Chain.BTC,
        "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
        b"\0\x20" + bytes.fromhex("1863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262"),
    ),
    (
        Chain.BTC,
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        b"\x51\x20" + bytes.fromhex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
    ),
    (
        Chain.BCH,
        "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
        b"\x76\xa9\x14" + bytes.fromhex("76a04053bda0a88bda5177b86a15c3b29f559873") + b"\x88\xac",
    ),
    (
        Chain.BCH,
        "bitcoincash:ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq",
        b"\xa9\x14" + bytes.fromhex("76a04053bda0a88bda5177b86a15c3b29f559873") + b"\x87",
    ),
]


class World:
    """One pool on a virtual clock."""

    def __init__(self, chain=Chain.BTC, wallet=WALLETS[2][1], **pool):
        self.clock, self.events, self.calls = VirtualClock(), EventStream(), []
        self.heard = Heard(self.events, PayoutChecked)
        self.newest = {}
        self.events.subscribe(PoolNotify, lambda job: self.newest.update({job.connection: job.coinbase2}))
        self.events.subscribe(PoolDisconnected, lambda event: self.newest.pop(event.connection))
        self.check = PayoutCheck(
            clock=self.clock,
            events=self.events,
            coinbases_of=lambda key: self.newest.values(),
            on_payout=lambda key, ok: self.calls.append((key, ok)),
        )
        self.chain = chain
        self.apply(wallet=wallet, **{"solo": True, **pool})

    def apply(self, **pool):
        config = PoolConfig(key=A, chain=self.chain, endpoints=(Endpoint(host="pool", port=1),), **pool)
        self.check.apply(ConfigSnapshot(pools={A: config}))

    def job(self, *outputs, connection=1, height=840_000):
        self.events.emit(notify(A, chain=self.chain, connection=connection, parts=coinbase_parts(height, outputs)))
        self.clock.advance(0)


def dgb_wallets():
    from proxy.chains.addresses import address_of_script

    for script in (
        b"\x76\xa9\x14" + H20 + b"\x88\xac",
        b"\xa9\x14" + H20 + b"\x87",
        b"\0\x14" + H20,
        b"\0\x20" + H32,
        b"\x51\x20" + H32,
    ):
        yield Chain.DGB, address_of_script(Chain.DGB, script), script


@pytest.mark.no_cover
@pytest.mark.parametrize(("chain", "wallet", "script"), [*WALLETS, *dgb_wallets()])
def test_a_coinbase_that_pays_the_wallet_is_right_and_a_stolen_one_is_flagged_within_one_job(chain, wallet, script):
    world = World(chain, wallet)
    world.job((script, 312_500_000), COMMITMENT)
    assert [(event.ok, event.percent) for event in world.heard.all] == [(True, 100.0)]
    assert world.heard.all[0].outputs == ((wallet, 312_500_000),)
    world.job((script, 6_250_000), (STRANGER, 306_250_000), COMMITMENT)
    assert (world.heard.all[-1].ok, world.heard.all[-1].percent) == (False, pytest.approx(2.0))
    assert world.heard.all[-1].outputs[0][1] == 306_250_000


def test_the_limit_is_the_operators():
    world = World(payout_min_percent=90.0)
    world.job((WALLETS[2][2], 98), (STRANGER, 2))
    assert world.check.view(A).ok
    world.apply(wallet=WALLETS[2][1], solo=True, payout_min_percent=99.0)
    world.job((WALLETS[2][2], 98), (STRANGER, 2))
    assert not world.check.view(A).ok


def test_a_pool_that_is_not_solo_is_only_informed_about():
    world = World(solo=False, payout_action=PayoutAction.EXCLUDE)
    world.job((STRANGER, 312_500_000))
    assert world.heard.all[0].ok and world.heard.all[0].percent == 0.0
    assert world.calls == []


def test_the_pool_is_excluded_once_and_comes_back_when_its_coinbase_is_right_again():
    world = World(payout_action=PayoutAction.EXCLUDE)
    world.job((WALLETS[2][2], 100))
    for fees in range(5):
        world.job((STRANGER, 300 + fees))
    assert world.calls == [(A, False)]
    world.job((WALLETS[2][2], 100))
    assert world.calls == [(A, False), (A, True)]


def test_an_alarm_alone_takes_nothing_out_and_a_changed_mind_brings_the_pool_back():
    world = World()
    world.job((STRANGER, 300))
    assert world.calls == []
    world.apply(wallet=WALLETS[2][1], solo=True, payout_action=PayoutAction.EXCLUDE)
    world.job((STRANGER, 300))
    world.apply(wallet=WALLETS[2][1], solo=True)
    assert world.calls == [(A, False), (A, True)]


def test_one_connection_with_a_wrong_coinbase_is_enough_and_a_right_one_elsewhere_does_not_hide_it():
    world = World(payout_action=PayoutAction.EXCLUDE)
    for connection in range(10):
        world.events.emit(notify(A, connection=connection, parts=coinbase_parts(outputs=((WALLETS[2][2], 100),))))
    world.events.emit(notify(A, connection=3, parts=coinbase_parts(outputs=((STRANGER, 100),))))
    world.events.emit(notify(A, connection=4, parts=coinbase_parts(outputs=((WALLETS[2][2], 101),))))
    world.clock.advance(0)
    assert not world.check.view(A).ok
    assert world.calls == [(A, False)]
    world.events.emit(PoolDisconnected(pool=A, connection=ConnectionId(3), reason="gone", wanted=True))
    assert world.calls == [(A, False)]  # only a right coinbase brings it back
    world.job((WALLETS[2][2], 102), connection=5)
    assert world.calls == [(A, False), (A, True)]


def test_a_connection_whose_wrong_coinbase_is_replaced_by_a_job_that_others_had_first_is_seen():
    world = World(payout_action=PayoutAction.EXCLUDE)
    world.job((STRANGER, 100), connection=3)
    world.job((WALLETS[2][2], 101), connection=4)
    assert world.calls == [(A, False)]
    world.clock.advance(5)
    assert world.calls == [(A, False)]
    world.newest[3] = world.newest[4]  # the same line, so nothing is announced
    world.clock.advance(1)
    assert world.check.view(A).ok
    assert world.calls == [(A, False), (A, True)]


def test_the_same_outputs_on_a_thousand_connections_are_decoded_once(monkeypatch):
    from proxy.chains import payout

    decoded = []
    parse = payout.parse_coinbase
    monkeypatch.setattr(payout, "parse_coinbase", lambda raw: decoded.append(1) or parse(raw))
    world = World()
    for _ in range(3):
        for connection in range(1000):
            world.events.emit(notify(A, connection=connection))
    assert decoded == []  # nothing before miners have their job
    world.clock.advance(0)
    assert len(decoded) == 1


def test_changing_fees_are_no_news():
    world = World()
    for fees in range(100):
        world.job((WALLETS[2][2], 312_500_000 + fees), COMMITMENT)
    assert len(world.heard.all) == 1


@pytest.mark.parametrize("parts", [(b"", b""), (b"\xff" * 80, b"\xff" * 80), coinbase_parts(outputs=((b"", 0),))])
def test_garbage_is_not_right_for_a_solo_pool(parts):
    world = World()
    world.events.emit(notify(A, parts=parts))
    world.clock.advance(0)
    assert not world.check.view(A).ok


def test_a_wallet_with_a_worker_in_it_counts_and_an_account_name_is_told():
    world = World(wallet=WALLETS[2][1] + ".rig")
    world.job((WALLETS[2][2], 100))
    assert world.check.view(A).ok
    world.apply(wallet="my-account", solo=False)
    world.job((WALLETS[2][2], 100))
    assert "no address" in world.check.view(A).problem


def test_a_pool_that_was_removed_is_forgotten():
    world = World()
    world.job((STRANGER, 10))
    assert world.check.view(A) is not None
    world.check.apply(ConfigSnapshot())
    assert world.check.view(A) is None


def test_outputs_that_no_address_describes_are_named_by_their_kind():
    world = World(solo=False)
    world.job((b"\x21" + b"\2" * 33 + b"\xac", 3), (b"\x6a\4data", 2), (b"\x51", 1))
    assert world.heard.all[0].outputs == (("public key", 3), ("OP_RETURN", 2), ("script of 1 bytes", 1))


def test_a_wrong_coinbase_whose_connection_ended_at_once_is_held_against_nobody():
    world = World(payout_action=PayoutAction.EXCLUDE)
    world.events.emit(notify(A, connection=1, parts=coinbase_parts(outputs=((STRANGER, 100),))))
    world.events.emit(PoolDisconnected(pool=A, connection=ConnectionId(1), reason="gone", wanted=False))
    world.clock.advance(0)
    assert world.check.view(A) is None
    assert (world.heard.all, world.calls) == ([], [])
