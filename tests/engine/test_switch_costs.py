"""The engine knows how long a miner needs for a share, so that the cost of a switch can be told."""

from proxy.history.switch_cost import SwitchCosts
from tests.support.world import World


def test_switches_of_a_working_miner_are_measured_by_its_firmware():
    world = World(min_switch_s=10)
    costs = SwitchCosts(clock=world.clock, events=world.events, share_s=world.engine.share_s)
    miner = world.miner("cpuminer/2.5.1")
    world.advance(1.5)
    for number in range(200):
        miner.submit(nonce=f"{number:08x}")
        world.advance(1)
    [cost] = costs.costs()
    assert cost.switches >= 5
    assert cost.profile == miner.session.profile.name
    assert 0 < cost.measured_s < 3
