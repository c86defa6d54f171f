"""The synthetic chain gives what a node would: BIP 34 heights, targets, coinbases that pay the scripts given."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.simulator import hashing
from proxy.simulator.chain import BCH_DEMO_SCRIPT, BTC_DEMO_SCRIPT, SimChain, script_number


def test_coinbase_starts_with_the_height_and_pays_the_script() -> None:
    chain = SimChain(height=840_000, outputs=((BCH_DEMO_SCRIPT, 5_000),))
    template = chain.template(1_700_000_000, 12)
    coinbase = template.coinbase_head + bytes(12) + template.coinbase_tail
    script_length = coinbase[41]
    assert coinbase[42:46] == b"\x03" + (840_001).to_bytes(3, "little")
    assert coinbase[42 + script_length :][:5] == b"\xff\xff\xff\xff\x01"
    assert coinbase.endswith((5_000).to_bytes(8, "little") + bytes([len(BCH_DEMO_SCRIPT)]) + BCH_DEMO_SCRIPT + bytes(4))


def test_height_of_840001_is_the_one_of_the_template() -> None:
    chain = SimChain()
    before = chain.previous_hash
    chain.new_block(b"\x01" * 32)
    template = chain.template(0, 8)
    assert template.height == chain.height + 1 == 840_002
    assert before != template.previous_hash == b"\x01" * 32


def test_chains_of_different_coins_and_seeds_share_no_hash() -> None:
    tips = {SimChain(name=name, seed=seed).previous_hash for name in ("BTC", "BCH") for seed in (1, 2)}
    assert len(tips) == 4
    assert SimChain(seed=1).previous_hash == SimChain(seed=1).previous_hash


def test_network_difficulty_counts_in_the_units_of_shares() -> None:
    chain = SimChain(network_difficulty=50.0, hashes_per_difficulty=2**10)
    assert 0.99 < hashing.difficulty_of(chain.network_target, 2**10) / 50.0 < 1.01


def test_branches_vary_between_none_and_twelve() -> None:
    chain = SimChain(outputs=((BTC_DEMO_SCRIPT, 1),))
    counts = {len(chain.template(0, 8).branches) for _ in range(300)}
    assert counts == set(range(13))


@given(st.integers(17, 2**31))
def test_script_numbers_are_minimal_and_positive(height: int) -> None:
    octets = script_number(height)
    assert int.from_bytes(octets, "little") == height
    assert octets[-1] < 0x80
    assert octets[-1] or octets[-2] >= 0x80
