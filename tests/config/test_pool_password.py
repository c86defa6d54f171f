"""The place for the difficulty in a pool's password is checked when it is typed."""

import pytest
from django.core.exceptions import ValidationError

from proxy.models import Pool, Wallet

pytestmark = pytest.mark.django_db


def pool(password: str) -> Pool:
    wallet = Wallet.objects.create(label="mine", chain="OTHER", kind="account", address="me")
    return Pool(key="A", chain="OTHER", wallet=wallet, password=password)


@pytest.mark.no_cover
@pytest.mark.parametrize("password", ["", "x", "x;d={difficulty}", "a{b", "d={difficulty},c=BTC"])
def test_a_password_with_one_place_or_none_is_kept(password: str) -> None:
    made = pool(password)
    made.full_clean()
    assert made.password == password


@pytest.mark.parametrize("password", ["d={diff}", "d={Difficulty}", "d={difficulty};e={difficulty}", "d={}"])
def test_another_place_or_two_are_refused_with_a_sentence(password: str) -> None:
    with pytest.raises(ValidationError, match=r"Only \{difficulty\} can be filled in"):
        pool(password).full_clean()
