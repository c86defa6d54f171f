"""Auto-balance's rows: what the database and the forms refuse, what they become, and "try now" in the admin."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.urls import reverse

from proxy.config.balance_loader import load_balance
from proxy.config.snapshot import BalanceConfig, BalanceSourceConfig, BalanceStrategy
from proxy.models.balance import BalanceSettings, BalanceSource, ChainPrice
from proxy.types import Chain
from tests.balance.http_cast import reply, serve
from tests.balance.test_balance import oracle_answer

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_rows_are_the_defaults():
    assert load_balance() == BalanceConfig()


def test_rows_become_the_configuration():
    BalanceSettings.objects.create(
        strategy="value-per-hash",
        short_window=12,
        long_window=144,
        significance=0.5,
        dead_band=2.0,
        on_failure="schedule",
    )
    BalanceSource.objects.create(position=2, kind="observed", poll_s=60)
    BalanceSource.objects.create(position=1, kind="node", url="http://n:8332", chain="BCH", user="u", password="p")
    BalanceSource.objects.create(position=0, kind="oracle", url="https://o/", enabled=False)
    ChainPrice.objects.create(chain="DGB", price=0.01)
    config = load_balance()
    assert config.strategy is BalanceStrategy.VALUE_PER_HASH
    assert (config.short_window, config.long_window, config.significance) == (12, 144, 0.5)
    assert config.sources == (
        BalanceSourceConfig(kind="node", url="http://n:8332", chain=Chain.BCH, user="u", password="p"),
        BalanceSourceConfig(kind="observed", poll_s=60),
    )
    assert config.prices == {Chain.DGB: 0.01}


def test_loading_takes_four_queries(django_assert_num_queries):
    with django_assert_num_queries(4):
        load_balance()


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "fields",
    [
        {"short_window": 1},
        {"short_window": 40},
        {"long_window": 300},
        {"max_deviation": 4},
        {"max_deviation": 46},
        {"min_weight": 51},
        {"max_weight": 49},
        {"max_step_per_hour": 0},
        {"dead_band": -1},
        {"significance": 1.0},
        {"strategy": "luck"},
        {"on_failure": "panic"},
    ],
)
def test_settings_that_make_no_sense_are_refused(fields):
    with pytest.raises(IntegrityError):
        BalanceSettings.objects.create(**fields)
    with pytest.raises(ValidationError):
        BalanceSettings(**fields).full_clean()


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "oracle"},
        {"kind": "node", "url": "http://n/"},
        {"kind": "oracle", "url": "https://o/", "poll_s": 599},
        {"kind": "observed", "poll_s": 10},
        {"kind": "psychic"},
        {"kind": "oracle", "url": "ftp://o/"},
        {"kind": "oracle", "url": "http://u:p@o/"},
        {"kind": "oracle", "url": "http://[::1"},
        {"kind": "oracle", "url": "http://o:99999/"},
    ],
)
def test_sources_that_cannot_be_asked_are_refused(fields):
    with pytest.raises((IntegrityError, ValidationError)):
        BalanceSource.objects.create(**fields)
    with pytest.raises(ValidationError):
        BalanceSource(**fields).full_clean()


def test_prices_are_above_zero_and_one_for_each_chain():
    ChainPrice.objects.create(chain="BTC", price=1.0)
    for chain, price in (("BTC", 2.0), ("BCH", 0.0), ("OTHER", 1.0)):
        with pytest.raises(IntegrityError):
            ChainPrice.objects.create(chain=chain, price=price)


def messages_of(response):
    return [str(message) for message in response.context["messages"]]


def try_now(client, *sources):
    return client.post(
        reverse("admin:proxy_balancesource_changelist"),
        {"action": "try_now", "_selected_action": [source.pk for source in sources]},
        follow=True,
    )


async def test_try_now_says_what_a_source_answers(async_client, admin_user):
    from asgiref.sync import sync_to_async
    from django.test import Client

    async with serve(reply(oracle_answer())) as server:
        source = await BalanceSource.objects.acreate(kind="oracle", url=server.url)
        client = Client()
        await sync_to_async(client.force_login)(admin_user)
        response = await sync_to_async(try_now, thread_sensitive=False)(client, source)
    found = messages_of(response)
    assert any("BTC, difficulty 1e+12" in message for message in found)
    assert any("BCH" in message for message in found)


def test_try_now_explains_why_a_source_does_not_answer(admin_client):
    source = BalanceSource.objects.create(kind="oracle", url="http://127.0.0.1:1/")
    assert any("No connection" in message for message in messages_of(try_now(admin_client, source)))


def test_try_now_of_observed_points_to_the_page(admin_client):
    source = BalanceSource.objects.create(kind="observed")
    assert any("asks nobody" in message for message in messages_of(try_now(admin_client, source)))


def test_a_password_is_never_shown_and_kept_if_left_empty(admin_client):
    source = BalanceSource.objects.create(kind="node", chain="BTC", url="http://n/", user="u", password="hush-hush")
    page = reverse("admin:proxy_balancesource_change", args=[source.pk])
    assert b"hush-hush" not in admin_client.get(page).content
    form = {
        "position": 1,
        "kind": "node",
        "enabled": "on",
        "url": "http://n/",
        "chain": "BTC",
        "user": "u",
        "password": "",
        "poll_s": 600,
    }
    admin_client.post(page, form)
    source.refresh_from_db()
    assert (source.position, source.password) == (1, "hush-hush")
    admin_client.post(page, form | {"url": "http://elsewhere/"})
    source.refresh_from_db()
    assert (source.url, source.password) == ("http://elsewhere/", "")


def test_settings_are_one_form_that_explains_its_refusals(admin_client):
    page = reverse("admin:proxy_balancesettings_change", args=["1"])
    assert admin_client.get(reverse("admin:proxy_balancesettings_changelist")).url == page
    form = {
        "strategy": "hashrate-ratio",
        "short_window": 6,
        "long_window": 72,
        "significance": 0.95,
        "max_deviation": 20,
        "min_weight": 5,
        "max_weight": 95,
        "max_step_per_hour": 10,
        "dead_band": 1,
        "on_failure": "even",
    }
    assert b"5 to 45 points" in admin_client.post(page, form | {"max_deviation": 60}).content
    assert admin_client.post(page, form).status_code == 302
    assert BalanceSettings.load().max_step_per_hour == 10
