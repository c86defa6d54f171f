"""Fixtures of the end-to-end tests with PostgreSQL: a server, a database of the newest shape, who writes rows there."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.history import Counted
from tests.e2e.process import ROOT, clean_environment, run_python
from tests.e2e.rows import RowWriter
from tests.support.postgres import DATABASE, Cluster, cluster

TEMPLATE = "migrated"


@pytest.fixture(name="server", scope="module")
def server_of_postgresql() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture(name="migrated_there", scope="module")
def migrated_on_postgresql(server: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a proxy on that server, whose database is of the newest shape and has an administrator."""
    made = clean_environment(tmp_path_factory.mktemp("made") / "data") | {"DPMP_DATABASE_URL": server.url}
    for command in (["migrate", "--verbosity", "0"], ["bootstrap"]):
        done = subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=made, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
    server.sql(f"ALTER DATABASE {DATABASE} RENAME TO {TEMPLATE}", database="postgres")
    return made


@pytest.fixture(name="environment")
async def environment_on_postgresql(
    server: Cluster, migrated_there: Mapping[str, str], tmp_path: Path
) -> dict[str, str]:
    """Of a proxy with an empty database of its own."""
    server.sql(
        f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)",
        f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}",
        database="postgres",
    )
    return dict(migrated_there) | {"DPMP_DATA_DIR": str(tmp_path / "data")}


@pytest.fixture(name="writer", scope="module")
def writer_on_postgresql(migrated_there: Mapping[str, str]) -> Iterator[RowWriter]:
    """A process that writes rows for all tests of this file."""
    made = RowWriter(migrated_there, ROOT)
    yield made
    made.close()


async def exported(environment: Mapping[str, str]) -> dict[tuple[str, str], Counted]:
    """What ``exportshares`` says of each worker and pool."""
    code, output = await run_python(
        environment,
        "manage.py",
        "exportshares",
        "--format",
        "json",
        "--by",
        "period",
        "--from",
        "2000-01-01",
        "--to",
        "2100-01-01",
    )
    assert code == 0, output
    return {
        (row["worker"], row["pool"]): Counted(
            accepted=row["accepted"], credited=row["credited_difficulty"], refused=row["rejected"]
        )
        for row in json.loads(output)["rows"]
    }
