"""``python -m tests.support.on_postgresql [arguments of pytest]`` runs the tests that touch the database on PostgreSQL.

On a server of their own, which is gone afterwards; ``DPMP_TEST_DATABASE_URL`` names another one. Tests that use no
database say nothing new there and are left out, as are those about SQLite's file.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.postgres import cluster

DATABASE_FIXTURES = {"db", "transactional_db"}


def touches_the_database(item: pytest.Item) -> bool:
    """Whether the test has the database, by its mark or by a fixture that it uses."""
    fixtures = getattr(item, "fixturenames", ())
    return bool(item.get_closest_marker("django_db") or DATABASE_FIXTURES.intersection(fixtures))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Called in the pytest that ``main`` starts: this module is a plugin of it."""
    config.hook.pytest_deselected(items=[item for item in items if not touches_the_database(item)])
    items[:] = filter(touches_the_database, items)


@contextmanager
def database_url() -> Iterator[str]:
    """The server that the environment names, else one of our own."""
    if named := os.environ.get("DPMP_TEST_DATABASE_URL"):
        yield named
        return
    with cluster() as server:
        yield server.url


def main(arguments: list[str]) -> int:
    """Run pytest; its exit code."""
    try:
        with database_url() as url:
            command = [sys.executable, "-m", "pytest", "-p", "tests.support.on_postgresql", *arguments]
            return subprocess.run(command, env=os.environ | {"DPMP_TEST_DATABASE_URL": url}, check=False).returncode
    except pytest.skip.Exception as missing:
        sys.stdout.write(f"NOT TESTED on PostgreSQL: {missing}\n")
        return int(bool(os.environ.get("DPMP_TEST_NO_SKIP")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
