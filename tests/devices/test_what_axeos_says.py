"""What AxeOS tells of itself is read, and what cannot be believed is left out."""

import pytest

from proxy.devices.axeos import PoolSetting, facts_of, pool_of
from proxy.devices.facts import Api, Nonsense

GAMMA = {
    "power": 17.8,
    "voltage": 5078.1,
    "current": 3500,
    "temp": 61.2,
    "temp2": -1,
    "vrTemp": 54,
    "maxPower": 40,
    "nominalVoltage": 5,
    "hashRate": 1203.4,
    "expectedHashrate": 1224,
    "bestDiff": "1.21G",
    "coreVoltage": 1150,
    "coreVoltageActual": 1142,
    "frequency": 600,
    "ssid": "home",
    "macAddr": "AA:BB:CC:DD:EE:FF",
    "hostname": "bitaxe-kitchen",
    "stratumURL": "192.168.1.2",
    "stratumPort": 3351,
    "stratumUser": "bc1qexample.kitchen",
    "fallbackStratumURL": "pool.example.org",
    "fallbackStratumPort": 3333,
    "fallbackStratumUser": "bc1qexample.spare",
    "isUsingFallbackStratum": 0,
    "version": "v2.10.0",
    "axeOSVersion": "v2.10.0",
    "boardVersion": "601",
    "ASICModel": "BM1370",
    "uptimeSeconds": 86_412,
    "overheat_mode": 0,
    "fanspeed": 58,
    "fanrpm": 4310,
}
"""``GET /api/system/info`` of a Bitaxe Gamma with AxeOS v2.10.0, shortened."""


def test_a_bitaxe_tells_all_of_it():
    facts = facts_of(GAMMA)
    assert facts.api is Api.AXEOS
    assert (facts.model, facts.firmware, facts.hostname) == ("Bitaxe 601 BM1370", "v2.10.0", "bitaxe-kitchen")
    assert (facts.user, facts.pool) == ("bc1qexample.kitchen", "192.168.1.2:3351")
    assert (facts.power_w, facts.temperature_c, facts.regulator_c) == (17.8, 61.2, 54)
    assert (facts.fans_rpm, facts.fan_percent) == ((4310,), 58)
    assert (facts.frequency_mhz, facts.uptime_s) == (600, 86_412)
    assert facts.hashrate == pytest.approx(1203.4e9) and facts.voltage_v == pytest.approx(1.142)
    assert facts.joules_per_th == pytest.approx(17.8 / 1.2034)
    assert not facts.errors and not facts.fan_stopped


def test_a_nerdqaxe_lists_its_fans_and_its_model():
    facts = facts_of(GAMMA | {"deviceModel": "NerdQAxe++", "fans": [{"rpm": 3000, "speed": 40}, {"rpm": 0}, "x"]})
    assert (facts.model, facts.fans_rpm) == ("NerdQAxe++", (3000, 0))
    assert facts.fan_stopped


def test_a_fan_that_is_meant_to_rest_has_not_stopped():
    assert facts_of(GAMMA | {"fanrpm": 0}).fan_stopped
    assert not facts_of(GAMMA | {"fanrpm": 0, "fanspeed": 0}).fan_stopped
    assert not facts_of(GAMMA | {"fanrpm": 0, "hashRate": 0}).fan_stopped


def test_errors_are_told():
    facts = facts_of(GAMMA | {"overheat_mode": 1, "power_fault": "VOUT\x1b[2J fault", "isUsingFallbackStratum": 1})
    assert facts.errors == ("VOUT\\u001b[2J fault", "overheat mode", "on its fallback pool")
    assert (facts.user, facts.pool) == ("bc1qexample.spare", "pool.example.org:3333")


@pytest.mark.parametrize(
    "field, nonsense",
    [
        ("power", float("inf")),
        ("power", float("nan")),
        ("power", -5),
        ("power", "much"),
        ("power", True),
        ("power", 10**400),
        ("power", {"w": 5}),
    ],
)
def test_what_cannot_be_is_left_out(field, nonsense):
    assert facts_of(GAMMA | {field: nonsense}).power_w is None


def test_a_sensor_that_is_not_there_is_not_cold():
    assert facts_of(GAMMA | {"temp": -1, "vrTemp": 0}).temperature_c is None


def test_texts_are_cut_and_show_what_is_hidden_in_them():
    facts = facts_of(GAMMA | {"hostname": "a" * 5000, "version": "v1\u202e\n2", "stratumUser": 5})
    assert len(facts.hostname) == 64
    assert (facts.firmware, facts.user) == ("v1\\u202e 2", "")


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"hashRate": 5}, {"ASICModel": 1, "stratumURL": 2}])
def test_another_device_is_none(answer):
    with pytest.raises(Nonsense):
        facts_of(answer)


def test_only_the_pool_is_written_and_everything_is_put_back():
    before = pool_of(GAMMA | {"stratumTLS": 2, "stratumProtocol": "SV2"})
    assert before.as_patch() == {
        "stratumURL": "192.168.1.2",
        "stratumPort": 3351,
        "stratumTLS": 2,
        "stratumProtocol": "SV2",
    }
    assert before.moved_to("10.0.0.5", 3351) == PoolSetting("10.0.0.5", 3351, 0, "SV1")
    assert pool_of(GAMMA | {"stratumTLS": True}).moved_to("10.0.0.5", 1).tls is False
    assert pool_of(GAMMA).moved_to("10.0.0.5", 3351).as_patch() == {"stratumURL": "10.0.0.5", "stratumPort": 3351}


@pytest.mark.parametrize("changes", [{"stratumURL": ""}, {"stratumURL": "a\nb"}, {"stratumPort": 0}, {"stratumURL": 5}])
def test_a_pool_that_cannot_be_put_back_is_refused(changes):
    with pytest.raises(Nonsense):
        pool_of(GAMMA | changes)
