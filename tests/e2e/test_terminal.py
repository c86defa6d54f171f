"""What a person sees on a terminal: four lines, and not the log."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from proxy.management.banner import banner, reachable
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

ROOT = Path(__file__).resolve().parents[2]


def test_four_lines_say_where_things_are_and_how_to_end():
    lines = banner(web="0.0.0.0:8855", miners="0.0.0.0:3351", log=Path("/data/dpmp.log"), demo=True).splitlines()
    assert len(lines) == 4
    assert "http://localhost:8855/" in lines[0] and "0.0.0.0:3351" in lines[1] and "/data/dpmp.log" in lines[2]
    assert "Ctrl-C" in lines[3] and "kill A" in lines[3]
    assert "not in this process" in banner(web="", miners="0.0.0.0:1", log=Path("x"), demo=False)
    assert reachable("192.168.1.4:8855") == "192.168.1.4:8855" and reachable("[::]:80") == "localhost:80"


def test_demo_on_a_terminal_ends_in_the_banner():
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    ports = [part for name in ("--listen", "--web", "--metrics") for part in (name, f"127.0.0.1:{steady_port()}")]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "runproxy", "--demo", *ports],
        cwd=ROOT,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = _until(ours, "Ctrl-C ends it")
        assert "Password: " in shown and "Dashboard" in shown and '"event"' not in shown, shown
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0
    finally:
        process.kill()
        os.close(ours)


def _until(terminal: int, text: str) -> str:
    shown, until = "", time.monotonic() + 2 * PATIENCE_S
    while text not in shown and time.monotonic() < until:
        if select.select([terminal], [], [], 0.5)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")
    return shown
