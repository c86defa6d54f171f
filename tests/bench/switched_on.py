"""What it costs that everything is switched on: ``python -m tests.bench.switched_on``.

Two real proxies with pages and metrics run side by side for the same time, each with a simulator of its own: two pools
and six miners. One is as it is after the first start. In the other everything is switched on that can be: the miners'
own facts from the simulated AxeOS and cgminer APIs, MQTT with Home Assistant on a real mosquitto, auto-balance, money,
the feed of releases, a second listener with a rule of difficulty, and alerts to a webhook and to a browser. Printed are
memory and processor time of both and their ratio. Nobody looks at a page. What is left out: an identity provider.
``--apart`` runs more proxies beside them, each with one of these things alone.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.bench.subject import Subject, listening
from tests.e2e.process import ROOT, clean_environment, run_python
from tests.mqtt.broker import PASSWORD, USER, Broker
from tests.support.ports import steady_port

MINERS = 6
PARTS = ("devices", "mqtt", "balance", "money", "feed", "listener", "webhook", "browser")
SUBJECTS = {"default": (), "switched on": PARTS}


class Sink:
    """Takes each webhook, and names a version to whoever asks."""

    def __init__(self) -> None:
        self.taken = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                owner.taken += 1
                self.do_GET()

            def do_GET(self) -> None:
                body = b'{"version": "0.0.1"}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()


def write(wanted: Mapping[str, Any]) -> None:
    """The rows of one proxy; in a process of its own."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "dpmp_site.settings"
    import django

    django.setup()
    from django.contrib.auth.models import Group, User

    from proxy.management.demo import configure, watch
    from proxy.models import (
        AlertTarget,
        BalanceSettings,
        BalanceSource,
        ChainPrice,
        DeviceSettings,
        Listener,
        MqttSettings,
        ProxySettings,
        PushSubscription,
        VardiffRule,
    )
    from tests.alerts.push_service import Browser

    configure(wanted["pools"], MINERS)
    parts = wanted["parts"]
    if "devices" in parts:
        watch(wanted["devices"])
        DeviceSettings(enabled=True).save()  # asked as often as those of everybody
    if "mqtt" in parts:
        MqttSettings(
            enabled=True, host="127.0.0.1", port=wanted["mqtt"], username=USER, password=PASSWORD, commands=True
        ).save()
    if "balance" in parts:
        balance = BalanceSettings.load()
        balance.strategy = "hashrate-ratio"
        balance.save()
        BalanceSource(kind="observed").save()
    if "money" in parts:
        for chain, price in (("BTC", 60_000.0), ("BCH", 500.0)):
            ChainPrice(chain=chain, price=price).save()
    if "feed" in parts:
        settings = ProxySettings.load()
        settings.update_feed = f"http://127.0.0.1:{wanted['sink']}/feed"
        settings.save()
    if "listener" in parts:
        Listener(name="second", host="127.0.0.1", port=steady_port()).save()
        VardiffRule(name="all", profile="esp-miner", shares_per_minute=20.0).save()
    if "webhook" in parts:
        AlertTarget(label="webhook", url=f"json://127.0.0.1:{wanted['sink']}/hook").save()
    if "browser" in parts:
        person = User.objects.create_user("anna", password="a long pass phrase")
        person.groups.add(Group.objects.get(name="viewer"))
        keys = Browser()
        PushSubscription.add(
            person, endpoint="https://push.invalid/x", p256dh=keys.p256dh, auth=keys.auth, browser="Firefox, Android"
        )


def serve(arguments: list[str]) -> None:
    """``manage.py runproxy`` that may ask miners on this machine, as only the demo may."""
    from proxy.devices import networks

    networks.PRIVATE += networks.LOOPBACK
    from dpmp_site.command import main as manage

    sys.argv = ["manage.py", "runproxy", *arguments]
    sys.exit(manage())


async def start(
    name: str, parts: Sequence[str], folder: Path, ports: Mapping[str, int], stack: AsyncExitStack
) -> Subject:
    """Simulator, rows and proxy; all end with ``stack``.

    Raises:
        RuntimeError: one of them does not start.
    """
    environment, port = clean_environment(folder), steady_port()
    simulator = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy.simulator", "--proxy", f"127.0.0.1:{port}", "--miners", str(MINERS),
        cwd=ROOT, env=environment, stdin=PIPE, stdout=PIPE,
    )  # fmt: skip
    stack.push_async_callback(_end, simulator)
    assert simulator.stdout is not None
    ready = json.loads(await asyncio.wait_for(simulator.stdout.readline(), 60))
    wanted = json.dumps({**ready, **ports, "parts": parts})
    for command in (("manage.py", "migrate", "--verbosity", "0"), ("-m", "tests.bench.switched_on", "--write", wanted)):
        code, text = await run_python(environment, *command)
        if code:
            raise RuntimeError(text)
    said = folder / "said"
    with said.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.switched_on", "--serve",
            "--listen", f"127.0.0.1:{port}", "--web", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
            "--hashes-per-difficulty", "1024",
            cwd=ROOT, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    subject = Subject(name=name, process=process, port=port)
    stack.push_async_callback(subject.end)
    await listening(process, said)
    return subject


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def loop_s(subject: Subject) -> float:
    """Processor seconds so far of the event loop's thread, which is the first one."""
    pid = subject.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def anonymous(subject: Subject) -> int:
    """Bytes of memory that are the process's own."""
    rollup = Path(f"/proc/{subject.process.pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(("Private", "Swap:"))) * 1024


async def measure(seconds: float, settle: float, *, apart: bool) -> None:
    """Run all, and print the table; each ratio is to the first."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dpmp-bench-")))
        sink = Sink()
        stack.callback(sink.close)
        (folder / "mqtt").mkdir()
        broker = Broker(folder / "mqtt")
        await broker.start()
        stack.callback(broker.stop)
        ports = {"mqtt": broker.port, "sink": sink.port}
        wanted = SUBJECTS | ({part: (part,) for part in PARTS} if apart else {})
        subjects = []
        for number, (name, parts) in enumerate(wanted.items()):
            own = folder / str(number)
            own.mkdir(mode=0o700)
            subjects.append(await start(name, parts, own, ports, stack))
        await asyncio.sleep(settle)
        before, began = [(one.cpu_s, loop_s(one)) for one in subjects], time.monotonic()
        await asyncio.sleep(seconds)
        spent = (time.monotonic() - began) / 100
        labels = ("processor, %", "ratio", "loop, %", "ratio", "resident, MB", "ratio", "its own, MB", "ratio")
        sys.stdout.write(f"{'':14}" + "".join(f"{label:>14}" for label in labels) + "\n")
        first: list[float] = []
        for one, (cpu_s, of_loop_s) in zip(subjects, before, strict=True):
            figures = [
                (one.cpu_s - cpu_s) / spent, (loop_s(one) - of_loop_s) / spent, one.rss / 1e6, anonymous(one) / 1e6,
            ]  # fmt: skip
            first = first or figures
            pairs = (f"{figure:14.2f}{figure / of:14.2f}" for figure, of in zip(figures, first, strict=True))
            sys.stdout.write(f"{one.name:14}" + "".join(pairs) + "\n")
        sys.stdout.write(f"webhooks taken: {sink.taken}\n")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="measured time")
    parser.add_argument("--settle", type=float, default=60.0, help="time before it, in which miners connect")
    parser.add_argument("--apart", action="store_true", help="each thing also alone, in a proxy of its own")
    parser.add_argument("--write", metavar="JSON", help=argparse.SUPPRESS)
    parser.add_argument("--serve", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(json.loads(options.write))
    elif options.serve is not None:
        serve(options.serve)
    else:
        asyncio.run(measure(options.seconds, options.settle, apart=options.apart))


if __name__ == "__main__":
    main()
