"""Daphne as a guest on a uvloop loop that ``run_until_complete`` runs: one real process, asked over loopback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


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


def test_client_can_not_set_the_root_path(found):
    assert found["page"] == ["200", "b none"]


def test_metrics_are_at_one_path_for_two_methods(found):
    assert found["metrics"][0] == "200" and "dpmp_test_total 3.0" in found["metrics"][1]
    assert found["head"] == ["200", ""]
    assert found["post"][0] == "405"
    assert found["elsewhere"][0] == "404"


def test_body_over_the_limit_is_cut_off_without_an_answer(found):
    assert found["too_large"] == ""


def test_taken_port_says_which_and_why(found):
    assert f"cannot listen on 127.0.0.1:{found['port']}: Address already in use" in found["taken"]


def test_stop_closes_everything_within_two_seconds(found):
    assert found["stop_s"] < 2 and found["metrics_stop_s"] < 2
    assert found["closed"] == [True, True]
    assert found["idle_rest"] == "b none"


def test_pages_are_told_that_the_service_restarts(found):
    assert found["close_frame"] == "8802" + (1012).to_bytes(2, "big").hex()
