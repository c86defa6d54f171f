"""What a terminal shows of a proxy that has started: where things are, and how to end it."""

from pathlib import Path

from proxy.simulator.commands import USAGE


def reachable(address: str) -> str:
    """``host:port`` as a browser on this machine reaches it."""
    host, _colon, port = address.rpartition(":")
    return f"localhost:{port}" if host.strip("[]") in ("0.0.0.0", "::", "127.0.0.1", "") else address


def banner(*, web: str, miners: str, log: Path, demo: bool) -> str:
    """Four lines; ``web`` and ``miners`` are ``host:port``, ``web`` is empty where no dashboard runs."""
    dashboard = f"http://{reachable(web)}/" if web else "not in this process"
    end = f"Ctrl-C ends it. Type: {USAGE} | block" if demo else "Ctrl-C ends it"
    rows = (("Dashboard", dashboard), ("Miners", f"stratum+tcp://{miners}"), ("Log", str(log)), ("End", end))
    return "\n".join(f"  {name:<10} {text}" for name, text in rows)
