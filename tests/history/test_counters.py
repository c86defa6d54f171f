"""One schema says what is counted: everything that keeps, writes or shows counts follows from it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.history.batch import Batch
from proxy.history.batch_file import decoded, encoded
from proxy.history.counters import COUNTED, COUNTERS, EXPORTED, LARGEST, STORED, SUMS, Counts, tally_of
from proxy.history.export import COLUMNS
from proxy.models.history import ShareBucket, ShareTotal
from proxy.models.labels import COUNTER_LABELS
from proxy.types import DecidedBy, Reason
from tests.support.shares import ANN, A

ROOT = Path(__file__).resolve().parents[2]
IMAGINARY = ROOT / "tests" / "history" / "imaginary_counter.py"


def test_columns_of_the_export_are_those_of_4_0_0_and_one_more():
    assert (
        *("begin", "worker", "pool", "accepted", "rejected", "stale", "duplicate", "unanswered"),
        *("credited_difficulty", "work_difficulty", "work_terahashes", "best_share", "work_only", "finest_s"),
    ) == COLUMNS


def test_columns_of_the_database_are_those_of_4_0_0_and_one_more():
    theirs = {"accepted", "rejected", "stale", "duplicate", "unanswered", "credited", "work", "work_squares"}
    theirs |= {"work_shares", "best", "latency_s", "latency_n", "work_only"}
    assert {*SUMS, *LARGEST} == theirs
    for model in (ShareBucket, ShareTotal):
        assert {field.name for field in model._meta.fields} >= theirs


def test_keys_of_a_row_in_the_files_are_those_of_4_0_0_and_one_more():
    line = encoded(Batch(writer="w", number=1, rows={(60, 0, ANN, A): Counts(accepted=1)}))
    assert set(json.loads(line)["rows"][0][4]) == {
        *("accepted", "unanswered", "credited", "work", "work_squares", "work_shares", "best", "latency_s"),
        *("latency_n", "work_only"),
    }


def test_each_stored_counter_has_a_label():
    assert list(COUNTER_LABELS) == [counter.name for counter in STORED]


def test_names_are_unique_in_memory_export_and_metrics():
    for names in (
        [counter.name for counter in COUNTERS],
        [counter.column for counter in EXPORTED],
        [name for counter in COUNTERS for name in (counter.pool_metric, counter.worker_metric) if name],
    ):
        assert len(names) == len(set(names))


def test_counts_add_up_as_the_schema_says():
    one, other = Counts(), Counts()
    for number, name in enumerate(COUNTED, 1):
        setattr(one, name, number)
        setattr(other, name, 100 * number)
    one.add(other)
    for number, name in enumerate(COUNTED, 1):
        assert getattr(one, name) == (100 * number if name in LARGEST else 101 * number)


def test_a_tally_is_a_copy_that_never_changes():
    counts = Counts(accepted=1, rejects={(Reason.STALE, DecidedBy.POOL): 2})
    tally = tally_of(counts)
    counts.add(Counts(accepted=5, rejects={(Reason.STALE, DecidedBy.POOL): 1}))
    assert (tally.accepted, tally.stale, tally.rejects_by_reason()) == (1, 2, {"stale": 2})
    with pytest.raises(AttributeError):
        tally.accepted = 7


def test_a_line_of_a_version_that_did_not_count_it_yet_is_read_with_nothing_of_it():
    found = json.loads(encoded(Batch(writer="w", number=1, rows={(60, 0, ANN, A): Counts(accepted=3, latency_n=2)})))
    del found["rows"][0][4]["latency_n"]
    [counts] = decoded(json.dumps(found).encode()).rows.values()
    assert (counts.accepted, counts.latency_n) == (3, 0)


def test_one_entry_in_the_schema_and_one_label_bring_a_counter_everywhere():
    """In a process of its own: the schema is read when the modules are imported."""
    done = subprocess.run([sys.executable, str(IMAGINARY)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "memory": 7,
        "file": 7,
        "frozen": 7,
        "columns": ["sharebucket", "sharetotal"],
        "sql": True,
        "roll-up": True,
        "export": "imaginary_count",
        "metric": 'dpmp_imaginary_total{pool="A"} 7.0',
        "page": ["imaginary things", 7],
    }
