"""Daphne as a guest on a uvloop loop that ``run_until_complete`` runs: one real process, asked over loopback."""

import json
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from proxy.net.servers import (
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_OF_AN_ADDRESS,
    MAX_SCRAPERS,
    ListeningServer,
    MetricsServer,
)
from proxy.net.web_turns import READS_A_TURN

ROOT = Path(__file__).resolve().parent.parent.parent


class Peer:
    """A transport of Twisted."""

    def __init__(self, host):
        self.getPeer = lambda: SimpleNamespace(host=host)
        self.on_lost = lambda: None


class Channel:
    """A channel of Twisted as the factory makes it: with another way to begin than its own."""

    def __init__(self):
        self.makeConnection = None

    def makeConnection(self, transport):
        pass


@pytest.fixture(scope="module")
def found():
    script = "tests.site.one_loop_script"
    result = subprocess.run([sys.executable, "-m", script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_pages_websockets_and_threads_work_under_uvloop(found):
    assert found["loop"] == "uvloop"
    assert (found["upgrade"], found["echo"]) == ("101", "HELLO")
    assert found["thread"] == "from a thread"


def test_page_that_left_is_freed_without_the_garbage_collector(found):
    assert found["freed"] == 0


def test_page_that_leaves_in_the_middle_of_a_frame_is_no_error(found):
    assert found["left"] == "websocket.disconnect"


def test_client_cannot_set_the_root_path(found):
    assert found["page"] == ["200", "b none"]


def test_metrics_are_at_one_path_for_two_methods(found):
    assert found["metrics"][0] == "200" and "dpmp_test_total 3.0" in found["metrics"][1]
    assert found["head"] == ["200", ""]
    assert found["post"][0] == "405"
    assert found["elsewhere"][0] == "404"


def test_body_that_says_it_is_too_large_is_refused_before_it_is_sent(found):
    assert found["too_large"].startswith("HTTP/1.1 413 ")
    assert found["page_too_large"].startswith("HTTP/1.1 413 ")


def test_body_that_does_not_say_how_large_it_is_ends_at_the_limit(found):
    assert found["endless"] < 5_000_000


def test_pages_and_metrics_have_connection_limits_of_their_own(found):
    web, metrics = found["many_clients"]
    assert MAX_CONNECTIONS - 5 <= web <= MAX_CONNECTIONS
    assert MAX_SCRAPERS - 5 <= metrics <= MAX_SCRAPERS


def test_scrapes_at_once_share_a_build_that_does_not_hold_the_loop_up(found):
    builds, longest = found["scrapes"]
    assert builds <= 2
    assert longest < 0.4


def test_metrics_are_refused_under_a_name_that_is_not_allowed(found):
    assert found["other_name"] == "400"


@pytest.mark.parametrize(
    ("client", "answered"),
    [
        ("192.168.1.7", True),
        ("::ffff:192.168.1.7", True),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("127.0.0.1", True),
        ("::1", True),
    ],
)
def test_metrics_answer_the_listed_networks_and_this_machine(client, answered):
    server = MetricsServer(CollectorRegistry(), networks=[ip_network("192.168.1.0/24")])
    assert server._may_ask(client) is answered


@pytest.mark.parametrize(("host", "room"), [("192.168.1.7", False), ("192.168.1.8", True), ("127.0.0.1", True)])
def test_one_address_cannot_take_all_connections(host, room):
    factory = ListeningServer(lambda *_: None)._server.http_factory
    peers = [Peer("192.168.1.7") for _ in range(MAX_CONNECTIONS_OF_AN_ADDRESS)]
    for peer in peers:
        factory._connect(Channel(), peer)
    assert factory._has_room(host) is room
    peers[0].on_lost()
    assert factory._has_room(host)


def test_many_requests_at_once_leave_the_loop_a_turn_for_others_after_a_few(found):
    requests, of_a_turn = found["in_turns"]
    assert requests == 200
    assert of_a_turn <= READS_A_TURN


def test_taken_port_says_which_and_why(found):
    assert f"cannot listen on 127.0.0.1:{found['port']}: Address already in use" in found["taken"]


def test_stop_closes_everything_within_two_seconds(found):
    assert found["stop_s"] < 2 and found["metrics_stop_s"] < 2
    assert found["closed"] == [True, True]
    assert found["idle_rest"] == "b none"


def test_pages_are_told_that_the_service_restarts(found):
    assert found["close_frame"] == "8802" + (1012).to_bytes(2, "big").hex()
