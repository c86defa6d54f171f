"""What a running proxy was started with, for ``doctor``: a small file in the data directory while it runs."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

FILE = "running.json"
OPTIONS = {"stratum": "--listen", "web": "--web", "metrics": "--metrics"}
"""What names an address in the settings -> the option of ``runproxy`` that replaces it."""

Address = tuple[str, int]


def replaced(addresses: Mapping[str, Address]) -> dict[str, str | int]:
    """The settings that the command line replaces, by the names of their columns."""
    values: dict[str, str | int] = {}
    for name, address in addresses.items():
        values |= {f"{name}_host": address[0], f"{name}_port": address[1]}
    return values


def write_running(folder: Path, values: Mapping[str, str | int]) -> None:
    """Say what the command line replaces; nothing: no file, also none of an earlier run.

    Raises:
        OSError: the data directory cannot be written.
    """
    path = folder / FILE
    if not values:
        path.unlink(missing_ok=True)
        return
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(dict(values), file)
    draft.replace(path)


def read_running(folder: Path) -> dict[str, str | int]:
    """What the newest run was started with, so far as the file can be read; that run may have ended."""
    known = {f"{name}_{part}": kind for name in OPTIONS for part, kind in (("host", str), ("port", int))}
    with suppress(OSError, ValueError, RecursionError):
        said = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if isinstance(said, dict):
            return {name: said[name] for name, kind in known.items() if type(said.get(name)) is kind}
    return {}


def remove_running(folder: Path) -> None:
    """The run has ended."""
    with suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)
