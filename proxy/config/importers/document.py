"""Reads a file that is to be imported: bounded, with a sentence for whatever is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from proxy.errors import ConfigError

MAX_BYTES = 1024 * 1024


def read_document(path: Path, parse: Callable[[bytes], Any], kind: str) -> Any:
    """What ``parse`` makes of the file; ``kind`` is the format's name for people.

    Raises:
        ConfigError: with a sentence that names the file.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES // 1024} KiB: this is no configuration.")
        return parse(raw)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no {kind}: {error}.") from error
