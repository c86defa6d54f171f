"""``runproxy --demo --miners``: from some number on the pools' connections are shared."""

import pytest
from django.core.management import CommandError, call_command

from proxy.config.loader import load_snapshot
from proxy.config.snapshot import Connections
from proxy.management.demo import checked, configure
from proxy.simulator.demo import FARM_ABOVE, FLEET, MOST_MINERS, demo_pools


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("miners", "connections"),
    [(len(FLEET), Connections.OWN), (FARM_ABOVE, Connections.OWN), (1000, Connections.SHARED)],
)
def test_many_miners_share_connections_and_few_have_their_own(miners, connections):
    configure(list(demo_pools((4001, 4002))), miners)
    assert {pool.connections for pool in load_snapshot({}).pools.values()} == {connections}


def test_six_miners_where_nobody_said_how_many():
    assert checked(None) == len(FLEET) and checked(MOST_MINERS) == MOST_MINERS


@pytest.mark.parametrize("miners", [-1, 0, MOST_MINERS + 1])
def test_a_number_that_makes_no_sense_is_refused(miners):
    with pytest.raises(CommandError, match="from 1 to 5000"):
        checked(miners)


def test_miners_without_the_demo_are_refused():
    with pytest.raises(CommandError, match="goes with --demo"):
        call_command("runproxy", "--miners", "10")
