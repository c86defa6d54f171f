"""Adds a counter to the schema as a developer would, and prints as JSON where it turned up."""

import json
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

ADDED = {
    "proxy.history.counters": (
        "    rejects: dict[RejectKey, int] | None = None\n",
        '    imaginary: int = _number("imaginary", Unit.SHARES, shown=True, column="imaginary_count", '
        'pool_metric="dpmp_imaginary", says="Imaginary")\n',
    ),
    "proxy.models.labels": ('    "work_only": Label(\n', '    "imaginary": Label(_("imaginary things")),\n'),
}
"""Module -> the line before which something is added, and what."""


class Edited(SourceFileLoader):
    """A module with a line more."""

    def get_data(self, path: str | bytes) -> bytes:
        """The edited source."""
        data = super().get_data(path)
        before, more = ADDED[self.name]
        if not str(path).endswith(".py"):
            raise OSError("nothing compiled before")
        assert data.decode().count(before) == 1
        return data.decode().replace(before, more + before).encode()


class Finder(MetaPathFinder):
    """Finds the edited modules."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Only these."""
        spec = PathFinder.find_spec(name, path) if name in ADDED else None
        if spec is not None and spec.origin is not None:
            spec.loader = Edited(name, spec.origin)
        return spec


def main() -> None:
    """Import everything with the counter in it, and ask each part for it."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.dont_write_bytecode = True
    sys.meta_path.insert(0, Finder())
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

    import django

    django.setup()

    from prometheus_client import CollectorRegistry, generate_latest

    from dashboard.templatetags.units import figures
    from proxy.history import retention, store
    from proxy.history.batch import Batch
    from proxy.history.batch_file import decoded, encoded
    from proxy.history.counters import LARGEST, SUMS, Counts, tally_of
    from proxy.history.export import COLUMNS
    from proxy.models.history import ShareBucket, ShareTotal
    from proxy.observe.events import EventStream
    from proxy.observe.metrics import MetricsSink
    from proxy.types import PoolKey, WorkerName

    counts = Counts()
    counts.add(Counts(accepted=1, imaginary=7))  # type: ignore[call-arg]
    row = (60, 0, WorkerName("ann"), PoolKey("A"))
    [read] = decoded(encoded(Batch(writer="w", number=1, rows={row: counts}))).rows.values()
    registry = CollectorRegistry()
    MetricsSink(EventStream(), lambda: [(PoolKey("A"), counts)], registry)
    sql = store.additive_upsert(ShareTotal, ("worker", "pool"), SUMS, LARGEST)
    [shown] = [figure for figure in figures(tally_of(counts)) if "imaginary" in figure.name]
    found = {
        "memory": counts.imaginary,  # type: ignore[attr-defined]
        "file": read.imaginary,  # type: ignore[attr-defined]
        "frozen": tally_of(counts).imaginary,  # type: ignore[attr-defined]
        "columns": [each._meta.model_name for each in (ShareBucket, ShareTotal) if each._meta.get_field("imaginary")],
        "sql": 'excluded."imaginary"' in sql and store._sums(counts)[SUMS.index("imaginary")] == 7,
        "roll-up": "imaginary" in retention.SUMS,
        "export": next(column for column in COLUMNS if "imaginary" in column),
        "metric": next(line for line in generate_latest(registry).decode().splitlines() if "imaginary_total{" in line),
        "page": [str(shown.name), shown.number],
    }
    print(json.dumps(found))  # noqa: T201 - the test reads it


main()
