"""Whether the socket units that ``installer/sockets.sh`` wrote still say what the settings say."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from proxy.text import address_text

_LISTENS = re.compile(r"^ListenStream=(?P<host>\S*?):?(?P<port>\d+)\s*$", re.MULTILINE)


def unit_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where units of a user are."""
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def disagreements(folder: Path, wanted: Mapping[str, tuple[str, int]]) -> Iterator[str]:
    """Sentences about units that listen elsewhere than ``wanted`` says (name: host and port; port 0: nowhere), or are
    missing; nothing where there are none. Blocks."""
    found = {name: listens for name in wanted if (listens := _listens(folder / f"dpmp-{name}.socket")) is not None}
    if not found:
        return
    for name, (host, port) in wanted.items():
        unit = f"dpmp-{name}.socket"
        if name not in found:
            if port:
                yield f"there is no {unit}, and port {port} is configured"
        elif not port:
            yield f"{unit} listens on {address_text(*found[name])}, and that port is switched off"
        elif found[name] != (_plain(host), port):
            configured = address_text(_plain(host), port)
            yield f"{unit} listens on {address_text(*found[name])}, and {configured} is configured"


def _listens(unit: Path) -> tuple[str, int] | None:
    try:
        match = _LISTENS.search(unit.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return (_plain(match["host"]), int(match["port"])) if match else ("?", 0)


def _plain(host: str) -> str:
    return host.strip("[]") or "0.0.0.0"
