"""An installation's life, as a fresh user: check, install, upgrade (good and failing), uninstall; data stays."""

import asyncio
import json
import shutil
import socket
import sqlite3
import stat
import urllib.request
from contextlib import closing

import pytest

from proxy.net.tasks import spawn
from proxy.simulator.chain import SimChain
from proxy.simulator.miner import SimMiner
from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import CPUMINER
from tests.support.patience import PATIENCE_S
from tests.support.postgres import cluster

pytestmark = pytest.mark.slow


def answer(account):
    with urllib.request.urlopen(f"http://127.0.0.1:{account.ports[1]}/healthz", timeout=PATIENCE_S) as response:
        return response.read()


def mine(account):
    """A miner's first words, and what it is answered."""
    with socket.create_connection(("127.0.0.1", account.ports[0]), timeout=PATIENCE_S) as miner:
        miner.sendall(b'{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}\n')
        return json.loads(miner.makefile().readline())


def set_up_pool(account, port):
    """Give the installed proxy a pool, as its owner would with a file of v2."""
    pool = {"host": "127.0.0.1", "port": port, "name": "test", "wallet": "account", "chain": "OTHER"}
    account.write(
        account.home / "v2.json",
        json.dumps({"pools": {"A": pool, "B": pool}, "scheduler": {"poolA_weight": 100, "poolB_weight": 0}}),
    )
    done = account.run(
        "bash",
        "-c",
        f"cd {account.dpmp}/current && exec .venv/bin/python manage.py importconfig {account.home}/v2.json",
        DPMP_DATA_DIR=account.data,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def work(account):
    """Mine through the installed proxy with real proofs of work, at a difficulty that a test can afford."""
    pool = SimPool(chain=SimChain(name="OTHER"), difficulty=2e-6, extranonce2_size=8)
    set_up_pool(account, await pool.start())
    miner = SimMiner(CPUMINER, "127.0.0.1", account.ports[0], user="wallet.rig", hashrate=30_000.0)
    miner.start(spawn)
    try:
        await miner.until(lambda rig: rig.tally.accepted >= 3, timeout_s=PATIENCE_S)
    finally:
        await miner.stop()
        await pool.stop()
    assert not miner.tally.rejected and not miner.violations
    assert pool.book.workers["account.rig"].accepted >= 3


def note(account, label):
    with closing(sqlite3.connect(account.data / "dpmp.sqlite3", timeout=PATIENCE_S)) as database, database:
        database.execute(
            "INSERT INTO proxy_wallet (label, chain, kind, address) VALUES (?, 'OTHER', 'account', 'x')", (label,)
        )


def notes(account):
    with closing(sqlite3.connect(account.data / "dpmp.sqlite3", timeout=PATIENCE_S)) as database:
        return [row[0] for row in database.execute("SELECT label FROM proxy_wallet ORDER BY label")]


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def changed_release(account, name, change):
    """Another release, with ``change`` made to it."""
    release = account.home / name
    shutil.copytree(account.release, release)
    change(release)
    account.own(release)
    return release


def newer(release):
    path = release / "pyproject.toml"
    path.write_text(path.read_text().replace('version = "', 'version = "99.'))


def broken(release):
    newer(release)
    (release / "proxy" / "management" / "commands" / "runproxy.py").write_text("raise SystemExit('broken')\n")


def newest(release):
    """The name of the last migration: two that follow the same one would be refused before they begin."""
    return max(path.stem for path in (release / "proxy" / "migrations").glob("[0-9]*.py"))


def broken_migration(release):
    newer(release)
    (release / "proxy" / "migrations" / "9999_broken.py").write_text(
        "from django.db import migrations\n\n\ndef fail(apps, schema):\n    raise RuntimeError('cannot migrate')\n\n\n"
        f"class Migration(migrations.Migration):\n    dependencies = [('proxy', '{newest(release)}')]\n"
        "    operations = [migrations.RunSQL('DELETE FROM proxy_wallet'), migrations.RunPython(fail)]\n"
        "    atomic = False\n"
    )


def test_check_changes_nothing(account):
    before = tree(account.home)
    done = account.script("install.sh", "--check", "--ports=" + ",".join(map(str, account.ports)))
    assert done.returncode == 0, done.stderr
    assert "would: make a new database" in done.stdout and "Nothing was changed." in done.stdout
    assert [path for path in tree(account.home) if "__pycache__" not in path] == before


def test_life_of_an_installation(account):
    installed = account.install()
    assert "Administrator: admin" in installed.stdout and f":{account.ports[1]}/" in installed.stdout
    assert answer(account) == b"ok\n" and "result" in mine(account)
    asyncio.run(work(account))
    assert stat.S_IMODE(account.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((account.dpmp / "dpmp.env").stat().st_mode) == 0o600
    assert f"loginctl enable-linger {account.name}" in account.calls()
    assert "already" in account.script("install.sh").stderr

    note(account, "mine")
    account.write(account.dpmp / "dpmp.env", "DPMP_LANGUAGE=en\n", 0o600)
    key = (account.data / "secret_key").read_text()
    release = changed_release(account, "newer", newer)
    assert "would: stop the service" in account.script("upgrade.sh", "--check", release=release).stdout
    done = account.script("upgrade.sh", release=release)
    assert done.returncode == 0, done.stdout + done.stderr + account.log()
    assert (account.dpmp / "current").resolve().name.startswith("99.")
    assert "result" in mine(account) and "mine" in notes(account)
    assert len(list((account.data / "backups").iterdir())) == 1

    assert "would: remove the programs" in account.script("uninstall.sh", "--check").stdout
    assert answer(account) == b"ok\n"
    done = account.script("uninstall.sh")
    assert done.returncode == 0 and str(account.data) in done.stdout
    assert not (account.dpmp / "manage").exists()
    assert not (account.dpmp / "versions").exists() and not (account.dpmp / "current").exists()
    assert "mine" in notes(account) and (account.data / "secret_key").read_text() == key
    assert (account.dpmp / "dpmp.env").read_text() == "DPMP_LANGUAGE=en\n"
    with pytest.raises(OSError, match="refused"):
        mine(account)

    account.install()
    assert "mine" in notes(account) and "result" in mine(account)


@pytest.mark.parametrize(
    ("change", "reason", "wait_s"),
    [
        (broken, "The new version does not listen.", 1),
        (broken_migration, "The data could not be brought up to date.", 1),
    ],
)
def test_failing_upgrade_goes_back_to_the_old_version_and_its_data(installed, change, reason, wait_s):
    note(installed, change.__name__)
    before, kept = (installed.dpmp / "current").resolve(), notes(installed)
    unit = (installed.home / ".config/systemd/user/dpmp.service").read_text()
    release = changed_release(installed, change.__name__, change)
    done = installed.script("upgrade.sh", release=release, DPMP_WAIT_S=wait_s)
    assert done.returncode == 1 and reason in done.stdout, done.stdout + done.stderr
    assert "the version of before runs again, with its data" in done.stderr, installed.log()
    assert (installed.dpmp / "current").resolve() == before and notes(installed) == kept
    assert list((installed.dpmp / "versions").iterdir()) == [before]
    assert (installed.home / ".config/systemd/user/dpmp.service").read_text() == unit
    assert "result" in mine(installed)


def hung_up(release):
    """In the middle of the migrations the SSH session ends."""
    newer(release)
    (release / "proxy" / "migrations" / "9999_hung_up.py").write_text(
        "import os, signal\nfrom django.db import migrations\n\n\ndef hang_up(apps, schema):\n"
        "    os.kill(os.getppid(), signal.SIGHUP)\n\n\nclass Migration(migrations.Migration):\n"
        f"    dependencies = [('proxy', '{newest(release)}')]\n    atomic = False\n"
        "    operations = [migrations.RunSQL('DELETE FROM proxy_wallet'), migrations.RunPython(hang_up)]\n"
    )


def test_upgrade_whose_terminal_goes_away_leaves_the_old_version_at_work(installed):
    note(installed, "hung up")
    before, kept = (installed.dpmp / "current").resolve(), notes(installed)
    done = installed.script("upgrade.sh", release=changed_release(installed, "hung-up", hung_up))
    log = (installed.dpmp / "upgrade.log").read_text()
    assert done.returncode == 1 and "The terminal went away." in log, done.stdout + done.stderr
    assert "the version of before runs again, with its data" in log
    assert (installed.dpmp / "current").resolve() == before and notes(installed) == kept
    assert "result" in mine(installed)


def test_commands_know_the_data_and_the_settings_wherever_they_are_called(installed):
    installed.write(installed.dpmp / "dpmp.env", 'DPMP_ALLOWED_HOSTS="dpmp.example.org"\n# DPMP_DEBUG=yes\n', 0o600)
    note(installed, "by command")
    done = installed.run(installed.dpmp / "manage", "exportconfig", "--output", "here.json")
    assert done.returncode == 0, done.stderr
    assert "by command" in (installed.home / "here.json").read_text()
    said = installed.run(
        installed.dpmp / "manage",
        "shell",
        "-c",
        "from django.conf import settings; print(settings.CONFIGURED_HOSTS, settings.DEBUG)",
    )
    assert "['dpmp.example.org'] False" in said.stdout, said.stderr
    assert "running" in installed.run(installed.dpmp / "manage", "doctor", "--no-network").stdout


def test_postgresql_named_in_the_settings_is_installed_for_and_upgraded(account):
    with cluster() as server:
        account.write(account.dpmp / "dpmp.env", f'DPMP_DATABASE_URL="{server.url}"\n', 0o600)
        account.install()
        assert "result" in mine(account) and not (account.data / "dpmp.sqlite3").exists()
        server.sql("INSERT INTO proxy_wallet (label, chain, kind, address) VALUES ('mine', 'OTHER', 'account', 'me')")
        done = account.script("upgrade.sh", release=changed_release(account, "newer", newer))
        assert done.returncode == 0, done.stdout + done.stderr + account.log()
        assert "another database is not backed up here" in done.stdout
        assert "No other node works that could take the miners." in done.stderr
        assert "result" in mine(account)
        assert server.sql("SELECT label FROM proxy_wallet") == [("mine",)]
        account.stop()


def test_version_that_cannot_be_installed_leaves_the_running_one_alone(installed):
    calls = installed.calls()

    def no_packages(release):
        (release / "requirements.txt").write_text("/nothing/here.whl\n")

    done = installed.script("upgrade.sh", release=changed_release(installed, "bad", no_packages))
    assert done.returncode == 1 and "The old version goes on." in done.stderr
    assert installed.calls() == calls and "result" in mine(installed)
    assert len(list((installed.dpmp / "versions").iterdir())) == 1


def test_taken_port_is_named_and_nothing_is_installed(account):
    with socket.create_server(("0.0.0.0", account.ports[0])):
        done = account.script("install.sh", "--ports=" + ",".join(map(str, account.ports)))
    assert done.returncode == 1 and f"Port {account.ports[0]} is taken" in done.stderr
    assert not account.dpmp.exists()


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("exit 1", "older than Python 3.11"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "sudo apt install python3-venv"),
    ],
)
def test_unfit_python_is_explained(account, script, sentence):
    account.write(account.home / "bin" / "python-for-tests", f"#!/bin/sh\n{script}\n", 0o755)
    done = account.script("install.sh")
    assert done.returncode == 1 and sentence in done.stderr and not account.dpmp.exists()


def test_configuration_of_v2_is_found_and_offered_not_forced(account):
    config = {
        "listen": {"port": account.ports[0]},
        "pools": {
            "A": {"host": "a.example", "port": 3333, "wallet": "me", "chain": "OTHER"},
            "B": {"host": "b.example", "port": 3333, "wallet": "me", "chain": "OTHER"},
        },
    }
    path = account.home / "dpmp_runtime" / "dpmp" / "config_v2.json"
    account.write(path, json.dumps(config))
    done = account.install()
    assert f"A DPMP v2 was found: {path}" in done.stdout.replace("The configuration of a", "A")
    assert "Pool A: added" in done.stdout and "Not imported." in done.stdout
    assert notes(account) == [] and json.loads(path.read_text()) == config
