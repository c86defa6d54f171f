"""How a miner's extranonce is carved out of the pools' (docs/dev/decisions, 0001)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.stratum.extranonce import ExtranoncePadding, sizes_for

pytestmark = pytest.mark.no_cover


@pytest.mark.parametrize(
    ("pools", "lengths"),
    [
        ([8], (2, 4)),
        ([6], (1, 4)),
        ([4], (0, 4)),
        ([None], (0, 4)),
        ([8, 4], (0, 4)),
        ([8, None], (0, 4)),
        ([8, 8], (2, 4)),
        ([5], (0, 4)),
        ([16], (6, 4)),
        ([3], (0, 3)),
    ],
)
def test_the_smallest_pool_decides(pools: list[int | None], lengths: tuple[int, int]) -> None:
    assert sizes_for(pools) == lengths


def test_firmware_that_aborts_on_an_empty_extranonce1_gets_one_byte() -> None:
    assert sizes_for([4], needs_extranonce1=True) == (1, 3)
    assert sizes_for([8], needs_extranonce1=True) == (2, 4)


@pytest.mark.parametrize(
    ("pools", "lengths"),
    [([8], (2, 4)), ([4], (1, 3)), ([None], (1, 3)), ([8, 4], (1, 3)), ([3], (1, 2)), ([2], (0, 2)), ([2, 8], (2, 4))],
)
def test_firmware_that_nothing_is_known_of_gets_an_empty_one_only_where_there_is_no_other_way(
    pools: list[int | None], lengths: tuple[int, int]
) -> None:
    assert sizes_for(pools, wants_extranonce1=True) == lengths


def test_firmware_that_knows_only_even_sizes_gets_one() -> None:
    """NerdMiner takes 4 bytes for a size of 3: every share would be refused for its length."""
    assert sizes_for([4], needs_extranonce1=True, even=True) == (1, 2)
    assert sizes_for([5], needs_extranonce1=True, even=True) == (1, 4)


def test_a_pool_too_small_for_the_firmware_does_not_spoil_the_others() -> None:
    assert sizes_for([2, 8], least=4) == (2, 4)


@pytest.mark.no_cover
@given(st.lists(st.one_of(st.none(), st.integers(2, 16)), min_size=1, max_size=5), st.booleans(), st.integers(2, 4))
def test_what_is_given_fits_the_smallest_pool_that_can_be_used(
    pools: list[int | None], needs: bool, least: int
) -> None:
    length, size = sizes_for(pools, needs_extranonce1=needs, least=least)
    usable = [4 if pool is None else pool for pool in pools if (4 if pool is None else pool) >= least + needs]
    assert size >= min(least, 4 - needs)
    assert length >= needs
    assert length + size <= min(usable, default=4)


def test_padding_is_never_the_same_twice() -> None:
    padding = ExtranoncePadding()
    taken = [padding.take(2) for _ in range(65536)]
    assert len(set(taken)) == 65536
    assert ExtranoncePadding().take(0) == b""
    assert len(ExtranoncePadding().take(12)) == 12
