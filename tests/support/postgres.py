"""A PostgreSQL of this test's own: a fresh cluster on a free loopback port, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER, PASSWORD, DATABASE = "dpmp", "a-password-of-tests", "dpmp"
_PLACES = "/usr/lib/postgresql"


class Cluster:
    """A running server. ``url`` is for DPMP_DATABASE_URL."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder = binaries, folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"postgres://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}"

    def make(self) -> None:
        """Make the cluster, start it, make the database."""
        (self._folder / "password").write_text(PASSWORD)
        if os.getuid() == 0:
            shutil.chown(self._folder, "nobody")
            (self._folder / "password").chmod(0o644)
        self._run(
            "initdb",
            "-D",
            self._folder / "data",
            "-A",
            "scram-sha-256",
            "-U",
            USER,
            "-E",
            "UTF8",
            f"--pwfile={self._folder / 'password'}",
        )
        self.start()
        self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._control(
            "start", "-l", self._folder / "log", "-o", f"-p {self.port} -h 127.0.0.1 -k {self._folder} -c fsync=off"
        )

    def stop(self) -> None:
        """Stop it at once; whoever is connected loses the connection."""
        self._control("stop", "-m", "immediate")

    def sql(self, *statements: str, database: str = DATABASE) -> list[tuple[object, ...]]:
        """Run ``statements``; the rows of the last one."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        ) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _control(self, *words: object) -> None:
        self._run("pg_ctl", "-D", self._folder / "data", "-w", "-t", "30", *words)

    def _run(self, program: str, *words: object) -> None:
        prefix = ["runuser", "-u", "nobody", "--"] if os.getuid() == 0 else []  # a server never runs as root
        with (self._folder / "said").open("ab") as said:  # a pipe would be held open by the server
            done = subprocess.run(
                [*prefix, self._binaries / program, *map(str, words)],
                cwd=self._folder,
                timeout=60,
                stdout=said,
                stderr=said,
                stdin=subprocess.DEVNULL,
            )
        assert done.returncode == 0, (self._folder / "said").read_text()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running server; skips the test where PostgreSQL or its driver is not installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    found = sorted(Path(_PLACES).glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed (apt install postgresql)")
    with tempfile.TemporaryDirectory(prefix="dpmp-pg-", ignore_cleanup_errors=True) as folder:
        made = Cluster(found[-1].parent, Path(folder))
        made.make()
        try:
            yield made
        finally:
            made.stop()
