"""Only private addresses are asked, and a scan has an end: pages are no tool to look into other networks."""

import pytest

from proxy.devices.networks import MOST_HOSTS, NetworkError, address_of, hosts_of, networks_of


@pytest.mark.parametrize(
    "text", ["192.168.1.5", "10.0.0.1", "172.31.255.1", "100.100.1.1", "fd00::5", " 10.0.0.1 ", "::ffff:10.0.0.1"]
)
def test_private_addresses_may_be_asked(text):
    assert address_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8",
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1%eth0",
        "0.0.0.0",
        "224.0.0.251",
        "172.32.0.1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "2001:db8::1",
        "miner.lan",
        "10.1",
        "0x0a000001",
        "10.0.0.1:80",
        "10.0.0.1/24",
        "",
    ],
)
def test_nothing_else_may_be_asked(text):
    with pytest.raises(NetworkError):
        address_of(text)


def test_this_machine_may_be_asked_where_miners_are_simulated_on_it():
    assert str(address_of("127.0.0.1", loopback=True)) == "127.0.0.1"
    assert networks_of("127.0.0.1", loopback=True)


def test_networks_are_read_as_people_write_them():
    found = networks_of("192.168.1.0/30, 10.0.0.7\n192.168.1.1/30")
    assert [str(network) for network in found] == ["192.168.1.0/30", "10.0.0.7/32", "192.168.1.0/30"]
    assert [str(host) for host in hosts_of(found)] == ["192.168.1.1", "192.168.1.2", "10.0.0.7"]


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "192.168.0.0/15", "8.8.8.0/24", "10.0.0.0/8", "fd00::/64", "lan", "10.0.0.0/33", "10.0.0.1 " * 17],
)
def test_networks_that_are_public_or_too_large_are_refused(text):
    with pytest.raises(NetworkError):
        networks_of(text)


def test_a_scan_has_an_end():
    assert len(list(hosts_of(networks_of("10.0.0.0/20")))) <= MOST_HOSTS
    assert networks_of("") == ()
