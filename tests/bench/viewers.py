"""What fifty open dashboards cost the proxy: ``python -m tests.bench.viewers [viewers] [seconds]``.

Starts ``runproxy --demo``, opens the Home page's WebSocket so many times with one login, acknowledges each frame as a
browser does, and reports the loop's lag as the proxy measures it, without and with the viewers.
"""

import asyncio
import base64
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REGIONS = "/live/?r=found:0-0&r=alarms&r=headline&r=split&r=auto&r=pools&r=fleet&r=tab"
WARM_S, OPENING_S = 8, 4
CPU = "process_cpu_seconds_total"
ACK = b'{"ack": 1}'


def free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def start() -> tuple[subprocess.Popen[bytes], int, int, str]:
    """The demonstration: process, port of the pages, port of the metrics, the administrator's password."""
    stratum, web, metrics = free_ports(3)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    process = subprocess.Popen(
        [
            sys.executable,
            "manage.py",
            "runproxy",
            "--demo",
            "--listen",
            f"127.0.0.1:{stratum}",
            "--web",
            f"127.0.0.1:{web}",
            "--metrics",
            f"127.0.0.1:{metrics}",
        ],
        cwd=ROOT,
        env=environment | {"DPMP_LOG_LEVEL": "ERROR"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(rb"Password: (\S+)", line):
            return process, web, metrics, found.group(1).decode()
    raise SystemExit("the demonstration did not start")


def log_in(web: int, password: str) -> str:
    """The cookies of a logged-in administrator."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    address = f"http://127.0.0.1:{web}/login/"
    until = time.monotonic() + 30
    while True:
        try:
            page = opener.open(address, timeout=5).read().decode()
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    said = urllib.parse.urlencode({"username": "admin", "password": password, "csrfmiddlewaretoken": token.group(1)})
    opener.open(address, said.encode(), timeout=10).read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


async def view(web: int, cookies: str, frames: list[int], until: float) -> None:
    """One viewer: reads frames and acknowledges them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", web)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        (
            f"GET {REGIONS} HTTP/1.1\r\nHost: 127.0.0.1:{web}\r\nOrigin: http://127.0.0.1:{web}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nCookie: {cookies}\r\n\r\n"
        ).encode()
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101"), answer
    while time.monotonic() < until:
        size = (await reader.readexactly(2))[1] & 0x7F
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2))
        elif size == 127:
            size = int.from_bytes(await reader.readexactly(8))
        await reader.readexactly(size)
        frames.append(size)
        writer.write(bytes([0x81, 0x80 | len(ACK), 0, 0, 0, 0]) + ACK)
    writer.close()


def measure(metrics: int) -> dict[str, float]:
    """The buckets of the loop's lag (by their upper bound) and the CPU seconds, as the proxy exposes them."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=5).read().decode()
    buckets = re.findall(r'^dpmp_loop_lag_seconds_bucket\{le="(\S+)"\} (\S+)$', text, re.MULTILINE)
    cpu = re.findall(r"^(process_cpu_seconds_total) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in buckets + cpu}


def quantile(span: tuple[dict[str, float], dict[str, float]], part: float) -> str:
    """The bucket in which the lag's quantile lies."""
    begin, end = span
    counts = sorted((float(bound), end[bound] - begin[bound]) for bound in end if bound != CPU)
    least = counts[-1][1] * part
    return f"<= {next(bound for bound, count in counts if count >= least) * 1000:g} ms of {counts[-1][1]:.0f} samples"


async def run(viewers: int, seconds: float) -> None:
    """Measure without and with the viewers, and print both."""
    process, web, metrics, password = start()
    drain = asyncio.get_running_loop().run_in_executor(None, process.stdout.read)  # type: ignore[union-attr]
    try:
        cookies = await asyncio.to_thread(log_in, web, password)
        await asyncio.sleep(WARM_S)
        before = await asyncio.to_thread(measure, metrics)
        await asyncio.sleep(seconds)
        alone = await asyncio.to_thread(measure, metrics)
        frames: list[int] = []
        until = time.monotonic() + OPENING_S + seconds + 2
        async with asyncio.TaskGroup() as tasks:
            for _ in range(viewers):
                tasks.create_task(view(web, cookies, frames, until))
            await asyncio.sleep(OPENING_S)
            frames.clear()
            opened = await asyncio.to_thread(measure, metrics)
            await asyncio.sleep(seconds)
            watched, seen = await asyncio.to_thread(measure, metrics), list(frames)
        report(viewers, seconds, (before, alone), (opened, watched), seen)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 15)
        await drain


def report(
    viewers: int,
    seconds: float,
    alone: tuple[dict[str, float], dict[str, float]],
    watched: tuple[dict[str, float], dict[str, float]],
    frames: list[int],
) -> None:
    """Print what was found."""
    print(
        f"{viewers} viewers, {seconds:.0f} s: {len(frames) / viewers / seconds:.1f} frames a second each, "
        f"{sum(frames) / max(1, len(frames)):.0f} bytes a frame"
    )
    for name, span in (("without", alone), ("with", watched)):
        print(
            f"{name} viewers: CPU {(span[1][CPU] - span[0][CPU]) / seconds:.1%}, "
            f"loop lag p50 {quantile(span, 0.5)}, p99 {quantile(span, 0.99)}"
        )


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 50, float(sys.argv[2]) if len(sys.argv) > 2 else 20))
