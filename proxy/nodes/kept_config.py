"""The newest configuration that came from the database, kept in a node's data directory: with it the node can start
while the database is away.

The file is as secret as the database: both have the passwords of pools. Its form survives fields that were added since.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.config.snapshot import ConfigSnapshot, VardiffRule
from proxy.config.validate import validate
from proxy.errors import ConfigError, DPMPError
from proxy.net.tasks import spawn

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FILE = "kept_config.json"
FORM = 1
"""Of the file; what the types below do not take as it is takes another number."""
MOST_BYTES = 64 * 2**20
"""A hundred pools and ten thousand pins take less than a megabyte."""


class NotKept(DPMPError):
    """There is no configuration in the data directory that can be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptConfig:
    """A configuration, and when it came into force (unix seconds)."""

    form: int = FORM
    at: float
    config: ConfigSnapshot
    """In the file without ``vardiff``, whose keys JSON does not have."""
    vardiff: tuple[VardiffRule, ...] = ()


@cache
def _file() -> "TypeAdapter[KeptConfig]":
    from pydantic import TypeAdapter  # for nodes alone, in a thread: it takes a second and some megabytes

    return TypeAdapter(KeptConfig)


def keep(folder: Path, config: ConfigSnapshot, at: float) -> None:
    """Put ``config`` in the place of the one before, all at once. Blocks.

    Raises:
        OSError: the data directory cannot be written.
    """
    kept = KeptConfig(at=at, config=replace(config, vardiff={}), vardiff=tuple(config.vardiff.values()))
    content = _file().dump_json(kept)
    draft = folder / f"{FILE}.new"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILE)


def read_kept(folder: Path) -> KeptConfig:
    """What was kept last. Blocks.

    Raises:
        NotKept: nothing that can be used.
    """
    try:
        with (folder / FILE).open("rb") as file:
            digest, _, content = file.read(MOST_BYTES).partition(b"\n")
    except FileNotFoundError:
        raise NotKept("this node has not run in this data directory yet") from None
    except OSError as error:
        raise NotKept(str(error)) from error
    if digest.decode("ascii", "replace") != hashlib.sha256(content).hexdigest():
        raise NotKept(f"{FILE} is damaged")
    try:
        kept = _file().validate_json(content)
        if kept.form != FORM:
            raise NotKept(f"{FILE} is of another version")
        rules = {(rule.listener, rule.profile): rule for rule in kept.vardiff}
        return replace(kept, config=validate(replace(kept.config, vardiff=rules)))
    except (ValueError, ConfigError) as error:
        raise NotKept(f"{FILE}: {error}") from error


class ConfigKeeper:
    """Keeps what it is given, off the loop; of several in a row the last."""

    def __init__(self, folder: Path, wall: Callable[[], float], report: Callable[[str, BaseException], None]) -> None:
        self._folder, self._wall, self._report = folder, wall, report
        self._newest: ConfigSnapshot | None = None
        self._task: asyncio.Task[None] | None = None

    def applied(self, config: ConfigSnapshot) -> None:
        """``config`` came from the database and is in force."""
        self._newest = config
        if self._task is None or self._task.done():
            self._task = spawn(self._keep(), name="kept configuration", report=self._report)

    async def _keep(self) -> None:
        while (config := self._newest) is not None:
            self._newest = None
            await asyncio.to_thread(keep, self._folder, config, self._wall())

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._task is not None:
            await asyncio.wait([self._task])
