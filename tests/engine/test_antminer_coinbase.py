"""S19 and older hold about 750 bytes of coinbase, only ``Antminer S21/`` 2,250 (datum_gateway, src/datum_stratum.c)."""

import pytest

from proxy.stratum.firmware import profile_of


@pytest.mark.parametrize(
    ("agent", "most"),
    [
        ("Antminer S21/1.0", 2_250),
        ("Antminer S21 Pro/1.0", 750),
        ("Antminer S19j Pro/1.0", 750),
        ("bmminer/2.0.0", 750),
    ],
)
def test_an_antminer_gets_no_longer_coinbase_than_its_model_holds(agent: str, most: int) -> None:
    assert profile_of(agent).max_coinbase == most
