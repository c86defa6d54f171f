"""A miner is joined with a worker of its own address, and one that lies can claim no other."""

from dataclasses import replace

import pytest

from proxy.devices.cgminer import Answers, facts_of
from proxy.devices.facts import Api, Facts
from proxy.devices.views import DeviceRow, DevicesView, DeviceView, plain_address, power_of_all, worker_of
from proxy.types import WorkerName
from tests.dashboard import fixtures

HERE = {
    "10.0.0.5": frozenset({WorkerName("kitchen"), WorkerName("attic")}),
    "10.0.0.6": frozenset({WorkerName("garage")}),
}


def joined(address: str, *, by_hand: str = "", **said: str) -> str | None:
    row = DeviceRow(id=1, address=address, port=80, api=Api.AXEOS, worker=by_hand)
    facts = Facts(api=Api.AXEOS, **said) if said else None
    return worker_of(row, facts, HERE, lambda user: WorkerName(user.rpartition(".")[2]))


@pytest.mark.parametrize(
    "address, said, worker",
    [
        ("10.0.0.6", {}, "garage"),
        ("10.0.0.6", {"user": "x.kitchen"}, "garage"),
        ("10.0.0.5", {"user": "x.attic"}, "attic"),
        ("10.0.0.5", {"hostname": "kitchen"}, "kitchen"),
        ("10.0.0.5", {"user": "x.garage", "hostname": "garage"}, None),
        ("10.0.0.5", {}, None),
        ("10.0.0.7", {"user": "x.garage"}, None),
        ("::ffff:10.0.0.6", {}, "garage"),
    ],
)
def test_a_miner_is_a_worker_of_its_own_address(address, said, worker):
    assert joined(address, **said) == worker


def test_what_was_chosen_by_hand_counts():
    assert joined("10.0.0.5", by_hand="cellar") == "cellar"


def test_what_is_no_address_stays_as_it_is():
    assert plain_address("somewhere") == "somewhere"


def test_a_miner_that_tells_no_rate_has_none():
    found = Answers()
    found.add("summary", {"SUMMARY": [{"Elapsed": 5}]})
    assert facts_of(found).hashrate is None


def test_the_power_of_all_is_known_where_every_connected_worker_has_a_miner_that_says_its_own():
    def device(worker: str, watts: float | None) -> DeviceView:
        facts = Facts(api=Api.AXEOS, power_w=watts)
        row = DeviceRow(id=1, address="10.0.0.6", port=80, api=Api.AXEOS)
        return DeviceView(row=row, worker=WorkerName(worker), facts=facts)

    def power(*devices: DeviceView) -> float | None:
        live = fixtures.rich()
        two = [replace(live.workers[0], name=WorkerName(name), connections=1) for name in ("garage", "attic")]
        gone = replace(live.workers[0], name=WorkerName("gone"), connections=0)
        return power_of_all(
            replace(live, workers=(*two, gone), extra={"devices": DevicesView(devices=devices)} if devices else {})
        )

    assert power(device("garage", 15.0), device("attic", 20.0), device("attic", 1000.0)) == 1035.0
    assert power(device("garage", 15.0)) is None
    assert power(device("garage", 15.0), device("attic", None)) is None
    assert power() is None and power_of_all(None) is None
