"""What all tests share: the rule about skipped tests, Chromium, environments of processes."""

import fcntl
import gc
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
from asgiref.sync import SyncToAsync
from django.db import connection, connections
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings

from dpmp_site.env import Environment

# A busy machine is no fault of the code: what is slow there is neither late nor too slow. And the same code gets the
# same answer each time: new cases are looked for with --hypothesis-profile=search, and by ``make fuzz``.
settings.register_profile("dpmp", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dpmp")

# Modules and tests stay to the end: looking for garbage among them was a fifth of the time that collecting them took.
gc.disable()

THREAD_S = 60.0
PACKAGES = ("dpmp_site", "proxy", "dashboard")
ROOT = Path(__file__).resolve().parent.parent
NO_SKIP = Environment().switch("DPMP_TEST_NO_SKIP")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    """Look for garbage again, but only among what the tests make, and not every 700 objects: that was 5 % of all."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def pytest_collection_modifyitems(config, items):
    """Leave out, not skip, what makes no sense on the database in use: where none may be skipped it would fail."""
    other = "sqlite_only" if os.environ.get("DPMP_TEST_DATABASE_URL") else "postgresql_only"
    elsewhere = [item for item in items if item.get_closest_marker(other)]
    if not elsewhere:
        return
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in elsewhere]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With DPMP_TEST_NO_SKIP=1 a skipped test is a failed one."""
    outcome = yield
    report = outcome.get_result()
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and DPMP_TEST_NO_SKIP allows none: {call.excinfo}"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    """The same for a module that skips itself while it is collected."""
    outcome = yield
    report = outcome.get_result()
    if NO_SKIP and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, and DPMP_TEST_NO_SKIP allows none"


def pytest_terminal_summary(terminalreporter):
    """Say loudly what was left out; a quiet skip looks like a pass."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"NOT TESTED: {report.nodeid}: {reason}", yellow=True, bold=True)


def coverage_of(config):
    """What starts and stops coverage; None without it."""
    plugin = config.pluginmanager.getplugin("_cov")
    return plugin.cov_controller if plugin is not None else None


@contextmanager
def unmeasured(config):
    """Without coverage: work of Django's that would take three times as long and reaches nothing of ours."""
    controller = coverage_of(config)
    if controller is None or not controller.started:
        yield
        return
    controller.pause()
    try:
        yield
    finally:
        controller.resume()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session):
    """Collect without coverage, which made it twice as long. What our own modules do when they are loaded is measured
    all the same, here and where a test without coverage is the first that needs one.
    """
    controller, load = coverage_of(session.config), SourceFileLoader.exec_module
    if controller is None:
        return (yield)

    def load_measured(loader, module):
        if controller.started or module.__name__.partition(".")[0] not in PACKAGES:
            return load(loader, module)
        controller.resume()
        try:
            return load(loader, module)
        finally:
            controller.pause()

    SourceFileLoader.exec_module = load_measured
    with unmeasured(session.config):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """What a test needs that is marked ``no_cover`` is not measured either."""
    with unmeasured(item.config) if item.get_closest_marker("no_cover") else nullcontext():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    """Nor what takes that back."""
    with unmeasured(item.config) if item.get_closest_marker("no_cover") else nullcontext():
        return (yield)


def groups_with_permissions():
    """The groups that migrations made, by name: what each may, as app, model and codename."""
    from django.contrib.auth.models import Group

    kinds = ("permissions__content_type__app_label", "permissions__content_type__model", "permissions__codename")
    found = {}
    for name, *kind in Group.objects.values_list("name", *kinds):
        found.setdefault(name, set()).add(tuple(kind))
    return found


def put_back(groups):
    """Emptying the database takes the groups with it, and the next test of this process may be one that needs them."""
    from django.contrib.auth.models import Group, Permission

    by_kind = {
        (each.content_type.app_label, each.content_type.model, each.codename): each
        for each in Permission.objects.select_related("content_type")
    }
    for name, kinds in groups.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set([by_kind[kind] for kind in kinds if kind in by_kind])


def how_to_empty(config):
    """What takes back the rows of a test that commits. SQLite's file becomes again what it was: flushing it, with all
    permissions made anew, took thirty times as long.
    """
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        kept = sqlite3.connect(":memory:")
        connection.connection.backup(kept)

        def restore(case):
            end_thread_of_async_tests()
            connection.ensure_connection()
            kept.backup(connection.connection, progress=impatient)

        return restore
    flush, groups = TransactionTestCase._fixture_teardown, groups_with_permissions()

    def empty(case):
        end_thread_of_async_tests()
        with unmeasured(config):
            flush(case)
            put_back(groups)

    return empty


def end_thread_of_async_tests():
    """Let the one thread in which asgiref runs what async code asks of the database end what it does, and begin the
    next test with a connection of its own: as Django does between two requests, whatever became of the last one.
    """
    SyncToAsync.single_thread_executor.submit(connections.close_all).result(timeout=THREAD_S)


def impatient(status, remaining, total):
    """Each time that the copy waited: Python tries for ever, also where a thread of the test left the file locked."""
    assert status not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), "a test left the database locked"


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb):
    """SQLite's file is there before Django looks for it, and goes with its folder."""
    return django_db_keepdb or connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_setup(request, django_db_blocker):
    """Make the test database. On PostgreSQL it is dropped only when nobody uses it: end what threads hold."""
    if connection.vendor == "sqlite":  # the migrations run once for all test processes, not once in each
        request.getfixturevalue("django_db_modify_db_settings")
        newest = request.getfixturevalue("migrated") / "dpmp.sqlite3"
        shutil.copy(newest, connection.creation._get_test_db_name())
    with unmeasured(request.config):
        request.getfixturevalue("django_db_setup")
    with django_db_blocker.unblock():
        empty = how_to_empty(request.config)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(scope="session")
def chromium_path():
    """Path of the Chromium that browser tests drive; skips them where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed (apt install chromium)")
    return path


@pytest.fixture
def own_environment(tmp_path):
    """Environment variables for a process of its own: no DPMP_* but a data directory of this test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    return kept | {"DPMP_DATA_DIR": str(tmp_path / "data")}


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A data directory with an empty database of the newest shape, to be copied; made once for all test processes."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "migrated-once"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            made = tmp_path_factory.mktemp("migrating")
            migrate(made)
            made.rename(shared)
    return shutil.copytree(shared, tmp_path_factory.mktemp("migrated"), dirs_exist_ok=True)


def migrate(data_dir):
    """Make the database in ``data_dir``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    done = subprocess.run(
        command, cwd=ROOT, env=kept | {"DPMP_DATA_DIR": str(data_dir)}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def new_data_dir(migrated, tmp_path):
    """A data directory of this test's own, with an empty database of the newest shape."""
    return shutil.copytree(migrated, tmp_path / "data", dirs_exist_ok=True)
