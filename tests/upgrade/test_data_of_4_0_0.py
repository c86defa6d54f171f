"""What 4.0.0 left behind still works: a database with a row in every table, and its own export.

``data/dpmp_4.0.0.sql`` is the database of a 4.0.0 that mined for a minute, with a row added to each table that had
none; ``data/export_4.0.0.json`` is what its ``exportconfig --secrets`` wrote.
"""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).parent / "data"

# Tables whose rows Django makes anew for the models it finds.
MADE_BY_DJANGO = {
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group_permissions",
    "sqlite_sequence",
}
RENAMED: dict[str, str] = {}
"""Tables of 4.0.0 that have another name now; their rows have to be there under it."""


def manage(folder: Path, *arguments: str) -> str:
    """Run ``manage.py`` on the data directory ``folder``; its output."""
    environment = {**os.environ, "DPMP_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "dpmp_site.settings"}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(path: Path) -> dict[str, int]:
    """How many rows each table has."""
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        return {name: database.execute(f'select count(*) from "{name}"').fetchone()[0] for name in tables}


@pytest.fixture(scope="module")
def brought_up(tmp_path_factory) -> tuple[Path, dict[str, int]]:
    """A data directory of 4.0.0 brought up to date, and the rows it had before."""
    folder = tmp_path_factory.mktemp("old")
    path = folder / "dpmp.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((DATA / "dpmp_4.0.0.sql").read_text(encoding="utf-8"))
    before = rows(path)
    manage(folder, "migrate", "--verbosity", "0")
    return folder, before


def ours(counted: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in counted.items() if name.startswith(("proxy_", "dashboard_"))}


def test_the_dump_has_a_row_in_every_table_of_ours(brought_up):
    _, before = brought_up
    assert len(ours(before)) > 35
    assert not [name for name, number in ours(before).items() if not number]


def test_no_row_is_lost_by_the_migrations(brought_up):
    folder, before = brought_up
    after = rows(folder / "dpmp.sqlite3")
    kept = {name: number for name, number in before.items() if name not in MADE_BY_DJANGO}
    assert {name: after.get(RENAMED.get(name, name), 0) for name in kept} == kept


def test_the_migrated_configuration_is_the_one_that_4_0_0_exported(brought_up):
    folder, _ = brought_up
    old = json.loads((DATA / "export_4.0.0.json").read_text(encoding="utf-8"))
    for limit, default in (("max_sessions", 2000), ("max_sessions_per_address", 500)):
        assert old["settings"][limit] == default
        old["settings"][limit] = 0  # what was never changed follows the machine now
    assert_contains(json.loads(manage(folder, "exportconfig", "--secrets")), old, "export")


def test_an_export_of_4_0_0_can_be_imported(new_data_dir):
    manage(new_data_dir, "importconfig", str(DATA / "export_4.0.0.json"))
    old = json.loads((DATA / "export_4.0.0.json").read_text(encoding="utf-8"))
    assert_contains(json.loads(manage(new_data_dir, "exportconfig", "--secrets")), old, "export")


def assert_contains(new: object, old: object, where: str) -> None:
    """Everything that ``old`` says stands in ``new``; settings that came later may stand beside it."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            if key not in ("dpmp_version", "exported_at", "format_version"):
                assert key in new, f"{where}.{key} is gone"
                assert_contains(new[key], value, f"{where}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        assert len(new) == len(old), where
        for number, (mine, theirs) in enumerate(zip(new, old, strict=True)):
            assert_contains(mine, theirs, f"{where}[{number}]")
    else:
        assert new == old, where
