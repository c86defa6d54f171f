"""How many may be connected, and where a pool may send us."""

import pytest

from proxy.config.snapshot import Endpoint, Limits
from proxy.engine.connection_limits import ConnectionLimits
from proxy.engine.redirect import redirect_target

HERE = Endpoint(host="pool.example", port=3333)
OTHER = Endpoint(host="other.example", port=4444)


def test_connections_are_limited_in_all_and_by_address():
    counted, limits = ConnectionLimits(), Limits(max_sessions=3, max_sessions_per_address=2)
    assert counted.reached("10.0.0.1:1", limits) == ""
    counted.add("10.0.0.1:1")
    counted.add("10.0.0.1:2")
    assert counted.reached("10.0.0.1:3", limits) == "2 connections from one address"
    assert counted.reached("10.0.0.2:1", limits) == ""
    counted.add("10.0.0.2:1")
    assert counted.reached("10.0.0.3:1", limits) == "3 connections"
    counted.remove("10.0.0.1:1")
    assert counted.reached("10.0.0.1:4", limits) == ""


@pytest.mark.parametrize(
    ("params", "target"),
    [
        ([], HERE),
        (["pool.example", "3334"], Endpoint(host="pool.example", port=3334)),
        (["Other.Example", 4444], OTHER),
        (["", 3333], HERE),
        (["other.example", 1], None),
        (["somebody.example", 3333], None),
        ([7, 3333], None),
        (["pool.example", 0], None),
        (["pool.example", 65536], None),
        (["pool.example", "123456"], None),
        (["pool.example", True], None),
        (["pool.example", None], None),
    ],
)
def test_a_redirect_leads_to_the_same_host_or_to_a_configured_address(params, target):
    assert redirect_target(params, HERE, [HERE, OTHER]) == target
