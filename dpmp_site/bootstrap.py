"""What has to exist before Django starts: the data directory, the secret key, the demo's throw-away directory."""

import atexit
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

SECRET_KEY_FILE = "secret_key"
SECRET_KEY_BYTES = 64


class DataDirectoryError(ImproperlyConfigured):
    """The data directory cannot be used; the message says which and why."""


def prepare_data_dir(path: Path) -> Path:
    """Create ``path`` (mode 0700) when missing and make sure that files can be made in it.

    Raises:
        DataDirectoryError: it cannot be made, is no directory, or is not writable.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise DataDirectoryError(
            f"The data directory {path} cannot be written: {error.strerror or error}. "
            "Make it writable for this user, or set DPMP_DATA_DIR to another directory."
        ) from error


def secret_key(data_dir: Path) -> str:
    """The installation's secret key, made on the first call (mode 0600) and read on every later one.

    Processes that start at the same time agree: the file is created whole under another name and linked into place,
    which fails for all but the first.
    """
    path = data_dir / SECRET_KEY_FILE
    try:
        if not path.exists():
            _create_secret_key(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataDirectoryError(f"The secret key {path} cannot be read or made: {error}.") from error
    if len(key) < SECRET_KEY_BYTES // 2:
        raise DataDirectoryError(f"The secret key {path} is too short. Delete the file to get a new one.")
    return key


def _create_secret_key(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(SECRET_KEY_BYTES))
        _link_unless_present(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _link_unless_present(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # another process was first: its key counts


def is_demo(argv: Sequence[str]) -> bool:
    """Whether the command line starts the demo: ``manage.py runproxy ... --demo``."""
    return len(argv) > 1 and argv[1] == "runproxy" and "--demo" in argv[2:]


def demo_data_dir() -> Path:
    """Make a fresh directory for one demo run, name it in ``DPMP_DATA_DIR`` and remove it when this process exits.

    Has to run before the settings are imported. A database named by ``DPMP_DATABASE_URL`` or a shared Redis is not
    the demo's to write to, so both are left out of its environment.
    """
    path = Path(tempfile.mkdtemp(prefix="dpmp-demo-"))
    os.environ["DPMP_DATA_DIR"] = str(path)
    for shared in ("DPMP_DATABASE_URL", "DPMP_REDIS_URL"):
        os.environ.pop(shared, None)
    atexit.register(_remove_demo, path, os.getpid())
    return path


def _remove_demo(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child leaves the directory to its parent
        shutil.rmtree(path, ignore_errors=True)


def use_uvloop() -> None:
    """Make asyncio loops uvloop's where it is installed.

    Has to run before ``daphne.server`` is imported, which makes the loop that Twisted's reactor, the dashboard and the
    proxy share.
    """
    if sys.platform == "win32":
        return
    import asyncio

    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def prepare_database() -> None:
    """Bring the database's tables up to date and create the first administrator; for the demo, inside ``runproxy``.

    Not from a coroutine: it uses the ORM.
    """
    from django.core.management import call_command  # the settings may not be loaded before this module is

    call_command("migrate", verbosity=0, interactive=False)
    call_command("bootstrap")
