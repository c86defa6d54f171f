"""Each event of the log has a sentence that a miner at home understands."""

import re
from dataclasses import fields

import pytest

from dashboard import sentences
from proxy.observe.events import REGISTRY
from proxy.observe.log import LogLine
from tests.dashboard import fixtures

EXTRA = {"worker", "stay"}
"""Known of a line beside the event's own fields."""


def line(event, number=1, ts=0.0, session=None, worker="office", pool=None, **more):
    return LogLine(id=number, ts=ts, level="INFO", event=event, session=session, worker=worker, pool=pool, fields=more)


def said(event, stay_s=None, **more):
    return sentences.sentence(line(event, **more), fixtures.rich(), stay_s)


def test_each_event_has_a_sentence_and_no_sentence_is_left_over():
    assert sentences.SENTENCES.keys() == REGISTRY.keys()
    assert sentences._IF.keys() <= REGISTRY.keys()


@pytest.mark.no_cover
@pytest.mark.parametrize("name", REGISTRY)
def test_sentence_names_only_what_the_event_has(name):
    kind = REGISTRY[name]
    has = {field.name for field in fields(kind)} | EXTRA
    texts = [sentences.SENTENCES[name], *(text for _field, text in sentences._IF.get(name, ()))]
    assert {field for text in texts for field in re.findall(r"%\((\w+)\)s", str(text))} <= has
    assert said(name, **{field: "x" for field in has - EXTRA - {"pool", "session"}})


@pytest.mark.parametrize(
    "event, values, text",
    [
        ("pool_switched", {"old": "B", "new": "A", "reason": "slice"}, "office moved to Solo CK · schedule"),
        (
            "failover_emergency_switch",
            {"old": "A", "new": None, "why": "down"},
            "office had to leave Solo CK, and no other",
        ),
        (
            "block_found",
            {"pool": "A", "chain": "BTC", "accepted": True},
            "found a block of BTC, and Solo CK accepted it",
        ),
        ("block_found", {"pool": "A", "chain": "BTC", "accepted": False}, "but Solo CK did not accept it"),
        ("pool_reconnected", {"pool": "B", "down_s": 95.0}, "MiningCore BCH is up again after 1 min"),
        ("pool_down", {"pool": "X", "reason": "refused"}, "pool X is down · refused"),
        ("control_changed", {"source": "override", "weights": {"A": 0.7, "B": 0.3}}, "slider · A 70 %, B 30 %"),
        ("weights_override_changed", {"kind": "weights", "weights": {}, "set_by": ""}, "follows the schedule again"),
        (
            "weights_override_changed",
            {"kind": "auto-balance", "weights": {}, "set_by": "ada"},
            "ada switched auto-balance",
        ),
        ("best_share", {"pool": "A", "true_difficulty": 52_700.0, "previous": 660.0}, "best share: 52.7 K, before 660"),
        ("share_result", {"pool": "A", "verdict": "accepted", "reason": ""}, "was accepted by Solo CK"),
        (
            "pool_connected",
            {"pool": "A", "probe": False, "latency_ms": 41.2},
            "Connected to Solo CK · answered in 41 ms",
        ),
        ("oracle_calc_result", {"weights": {"A": "?"}, "reason": "none"}, "calculated A ? · none"),
        ("chain_split", {"chain": "BCH", "height": 9, "sides": ["A", "B"], "cleared": False}, "at block 9 · A, B"),
        ("miner_disconnected", {"duration_s": 4.0, "reason": ""}, "office disconnected after 4.0 s"),
        ("library_log", {"logger": "x", "text": "y" * 999}, "…"),
        ("of_a_later_version", {}, "of_a_later_version"),
    ],
)
def test_sentence_says_what_happened(event, values, text):
    assert text in said(event, **values)


def test_move_says_how_long_the_worker_was_on_the_other_pool():
    lines = [
        line("pool_switched", 3, 130.0, 7, old="B", new="A", reason="slice"),
        line("pool_down", 2, 120.0),
        line("pool_switched", 1, 100.0, 7, old="A", new="B", reason="slice"),
    ]
    assert sentences.stays(lines) == {3: 30.0}
    assert sentences.sentence(lines[0], fixtures.rich(), 30.0) == (
        "office moved to Solo CK · 30 s on MiningCore BCH · schedule"
    )


def test_each_kind_has_events_and_each_event_a_kind():
    of_kinds = [name for kind, _label in sentences.kinds() for name in sentences.events_of(kind)]
    assert sorted(of_kinds) == sorted(REGISTRY)
