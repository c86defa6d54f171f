"""The names users grep for, and the page that lists them."""

import re
from pathlib import Path

import pytest

from proxy.observe.events import DEBUG, REGISTRY
from proxy.observe.log.vocabulary import updated, vocabulary

PAGE = Path(__file__).parents[2] / "docs" / "log-events.md"

_KEPT_FROM_V2 = """
miner_connected miner_disconnected miner_ready_for_jobs miner_bad_json miner_method pool_connecting pool_connected
pool_down pool_reconnect_wait pool_reconnect_failed pool_reconnected pool_notify pool_diff pool_switched
subscribe_result auth_result authorize_rewrite job_forwarded submit_route share_result submit_dropped_unknown_jid
submit_dropped_no_job_yet submit_dropped_duplicate_fp submit_dropped_pool_dead downstream_send_diff downstream_tx
upstream_tx scheduler_tick failover_emergency_switch failover_weight_override weights_override_changed
weights_normalized switch_skipped_no_cached_job config_loaded metrics_started dpmp_listening oracle_poll_start
oracle_calc_result oracle_weights_applied oracle_poll_error oracle_fallback_50_50 session_error shutdown_signal
shutdown_begin shutdown_done
"""

_CHATTY = """
pool_reconnect_wait connection_tip pool_notify job_forwarded downstream_send_diff submit_route share_result
miner_method downstream_tx upstream_tx
"""

KEPT_FROM_V2, CHATTY = _KEPT_FROM_V2.split(), _CHATTY.split()


@pytest.mark.no_cover
@pytest.mark.parametrize("name", KEPT_FROM_V2)
def test_name_of_v2_is_kept(name: str) -> None:
    assert name in REGISTRY


@pytest.mark.parametrize("name", CHATTY)
def test_what_comes_once_a_line_share_or_job_is_debug(name: str) -> None:
    assert REGISTRY[name].level == DEBUG


def test_every_event_is_explained() -> None:
    assert not [row.name for row in vocabulary() if not row.meaning.endswith(".") or len(row.meaning) < 10]


def test_page_lists_the_events_as_they_are() -> None:
    page = PAGE.read_text()
    assert page == updated(page), "run: python -m proxy.observe.log.vocabulary docs/log-events.md"


def test_names_of_v2_appear_once_as_kept_renamed_or_dropped() -> None:
    kept, renamed, dropped = re.split(r"### (?:Renamed|Dropped)\n", PAGE.read_text().split("### Kept")[1])
    kept_names = re.findall(r"`(\w+)`", kept)
    old_and_new = re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", renamed, re.MULTILINE)
    rows = re.findall(r"^\| (`.*?) \| ", dropped, re.MULTILINE)
    gone = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    names = [*kept_names, *(old for old, _ in old_and_new), *gone]
    assert sorted(kept_names) == sorted(KEPT_FROM_V2)
    assert len(names) == len(set(names)) > 150
    assert {new for _, new in old_and_new} <= REGISTRY.keys()
    assert not {old for old, _ in old_and_new} & REGISTRY.keys()
    assert not set(gone) & REGISTRY.keys()
