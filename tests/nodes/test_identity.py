"""What a node is called."""

import pytest

from proxy.nodes.identity import LONGEST, NodeNameError, node_name, worker_name


def test_a_proxy_with_a_database_of_its_own_has_no_name():
    assert node_name("", shares_database=False, host="box") == ""


def test_a_name_without_a_shared_database_is_refused_with_what_to_do():
    with pytest.raises(NodeNameError, match="DPMP_DATABASE_URL"):
        node_name("one", shares_database=False, host="box")


@pytest.mark.parametrize(
    ("host", "name"),
    [("Rack-7.lan", "rack-7.lan"), ("_büro pc_", "b-ro-pc_"), ("", "node"), ("ж", "node"), ("a" * 80, "a" * LONGEST)],
)
def test_the_machine_gives_the_name_where_nobody_does(host, name):
    assert node_name("", shares_database=True, host=host) == name


def test_a_given_name_is_lower_case():
    assert node_name("Node-1.A_b", shares_database=True, host="box") == "node-1.a_b"


@pytest.mark.parametrize("given", ["-a", ".", "a b", "a/b", "ä", "a" * 64, "a\n", "../a"])
def test_a_name_that_is_none_is_refused(given):
    with pytest.raises(NodeNameError, match="cannot be the name"):
        node_name(given, shares_database=True, host="box")


def test_processes_of_a_node_are_numbered_and_their_names_are_names():
    assert worker_name("rack", 2) == "rack-2"
    longest = worker_name("a" * LONGEST, 16)
    assert len(longest) == LONGEST
    assert longest.endswith("-16")
