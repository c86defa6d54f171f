"""``manage.py runproxy``: the Stratum listener, the dashboard and the metrics port on one event loop."""

import asyncio
import gc
import os
import signal
import socket
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from proxy.management.banner import banner
from proxy.management.workers import DRAINED, Workers, worker_command
from proxy.net import inherited
from proxy.node import Node, serve
from proxy.nodes.identity import MOST_WORKERS, NodeNameError, node_name, worker_name
from proxy.observe.events import Listening, WebStarted
from proxy.process import Options, StartError
from proxy.types import HASHES_PER_DIFFICULTY

if TYPE_CHECKING:
    from proxy.web_node import WebNode


class Command(BaseCommand):
    """Run the proxy until SIGTERM or SIGINT."""

    help = "Runs the proxy: miners on 3351, the dashboard on 8855, metrics on 9210 (all settable in the admin)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--node", default="", metavar="NAME", help="name of this node where several share one PostgreSQL"
        )
        parser.add_argument(
            "--workers",
            type=int,
            metavar="NUMBER",
            help="so many processes on the same ports, for machines with many cores; needs PostgreSQL and Redis",
        )
        parser.add_argument("--worker", type=int, default=0, help=SUPPRESS)
        parser.add_argument("--no-web", action="store_true", help="no dashboard in this process")
        parser.add_argument(
            "--only-web", action="store_true", help="the dashboard of all nodes alone, without miners; needs a Redis"
        )
        parser.add_argument("--listen", type=_address, metavar="HOST:PORT", help="where miners connect")
        parser.add_argument("--web", type=_address, metavar="HOST:PORT", help="where the dashboard listens")
        parser.add_argument("--metrics", type=_address, metavar="HOST:PORT", help="where Prometheus asks")
        parser.add_argument(
            "--demo", action="store_true", help="two simulated pools and six simulated miners on a throw-away database"
        )
        parser.add_argument(
            "--miners",
            type=int,
            metavar="NUMBER",
            help="with --demo: so many simulated miners; more than 50 are a farm on shared connections",
        )
        parser.add_argument(
            "--log-to-stdout", action="store_true", help="also on a terminal, where the log else goes to the file alone"
        )
        parser.add_argument(
            "--hashes-per-difficulty",
            type=float,
            default=HASHES_PER_DIFFICULTY,
            help="for tests and simulations only: what one share of difficulty 1 costs",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["workers"] is not None and not options["worker"]:
            self._run_workers(options)
            return
        with ExitStack() as stack:
            hashes = options["hashes_per_difficulty"]
            if options["miners"] is not None and not options["demo"]:
                raise CommandError("--miners goes with --demo.")
            if options["demo"]:
                from proxy.management.demo import Demo, checked

                miners = checked(options["miners"])
                demo = stack.enter_context(Demo(options["listen"] or ("127.0.0.1", 3351), miners))
                hashes = demo.hashes_per_difficulty
            if options["only_web"]:
                _refuse_beside_only_web(options)
            name = "" if options["only_web"] else _node_name(options["node"], alone=options["demo"])
            worker, data_dir = options["worker"], Path(settings.DATA_DIR)
            if worker:
                name = worker_name(name, worker)
                data_dir = data_dir / "nodes" / name
                data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._run(
                Options(
                    web=not options["no_web"] and worker <= 1,
                    stratum=options["listen"],
                    web_address=options["web"],
                    metrics=options["metrics"],
                    hashes_per_difficulty=hashes,
                    demo=options["demo"],
                    log_to_stdout=options["log_to_stdout"] or not sys.stdout.isatty(),
                    inherited=dict(inherited.taken),
                    node=name,
                    worker=worker,
                    data_dir=data_dir,
                ),
                only_web=options["only_web"],
            )

    def _run_workers(self, options: dict[str, Any]) -> None:
        """Be the parent of processes that do the work."""
        gc.enable()
        count, name = options["workers"], _node_name(options["node"], alone=False)
        if not 2 <= count <= MOST_WORKERS:
            raise CommandError(f"--workers takes a number from 2 to {MOST_WORKERS}.")
        for other in ("demo", "only_web"):
            if options[other]:
                raise CommandError(f"--workers does not go with --{other.replace('_', '-')}.")
        missing = [] if connection.vendor == "postgresql" else ["DPMP_DATABASE_URL (PostgreSQL)"]
        missing += [] if settings.REDIS_URL else ["DPMP_REDIS_URL (Valkey or Redis)"]
        if missing:
            raise CommandError(f"Several processes share a database and live pages: set {' and '.join(missing)}.")
        if inherited.taken:
            raise CommandError("--workers opens its ports by itself: switch the socket units of systemd off.")
        arguments = ["--node", name]
        for option in ("listen", "web", "metrics"):
            if options[option] is not None:
                host, port = options[option]
                arguments += [f"--{option}", f"{host}:{port}"]
        arguments += ["--no-web"] * options["no_web"] + ["--log-to-stdout"] * options["log_to_stdout"]
        arguments += ["--hashes-per-difficulty", str(options["hashes_per_difficulty"])]
        connection.close()
        workers = Workers(
            lambda number: worker_command(number, arguments),
            count,
            environment=os.environ | {"DPMP_DATA_DIR": str(settings.DATA_DIR)},
            folder=settings.BASE_DIR,
            report=lambda text: self.stderr.write(f"{text}\n"),
        )
        if code := asyncio.run(workers.run()):
            sys.exit(code)

    def _run(self, options: Options, *, only_web: bool) -> None:
        from daphne.server import twisted_loop

        def stops(node: "Node | WebNode") -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                twisted_loop.add_signal_handler(number, node.stop, number.name)

        def ready(node: Node) -> None:
            stops(node)
            twisted_loop.add_signal_handler(signal.SIGTERM, node.terminate, "SIGTERM")
            if hasattr(signal, "SIGUSR1"):
                twisted_loop.add_signal_handler(signal.SIGUSR1, node.drain, "SIGUSR1")
            if options.worker:
                twisted_loop.add_reader(sys.stdin.fileno(), _look_at_parent, node, twisted_loop)
            if not options.log_to_stdout:
                _announce(node, self.stdout.write)

        asyncio.set_event_loop(twisted_loop)
        try:
            if only_web:
                from proxy.web_node import serve_pages

                gc.enable()
                twisted_loop.run_until_complete(serve_pages(options, stops))
            else:
                drained = twisted_loop.run_until_complete(serve(options, ready))
                if drained:
                    sys.exit(DRAINED)
        except StartError as error:
            raise CommandError(str(error)) from error


def _look_at_parent(node: Node, loop: asyncio.AbstractEventLoop) -> None:
    """The parent never writes: its end of the pipe is closed when it has ended, however it ended."""
    if not os.read(sys.stdin.fileno(), 1024):
        loop.remove_reader(sys.stdin.fileno())
        node.stop("the parent process ended")


def _announce(node: Node, write: Callable[[str], object]) -> None:
    """Write the banner once miners can connect; the dashboard has started before."""
    web: list[str] = []

    def listening(event: Listening) -> None:
        log = node.options.data_dir / "logs" / "dpmp.log"
        write(banner(web="".join(web), miners=event.address, log=log, demo=node.options.demo))

    node.events.subscribe(WebStarted, lambda event: web.append(event.address))
    node.events.subscribe(Listening, listening)


def _refuse_beside_only_web(options: Mapping[str, Any]) -> None:
    if not settings.REDIS_URL:
        raise CommandError("--only-web shows what nodes publish to a Redis: set DPMP_REDIS_URL, the same as theirs.")
    beside = [name for name in ("no_web", "listen", "demo", "node") if options[name]]
    if beside:
        raise CommandError(f"--{beside[0].replace('_', '-')} does not go with --only-web.")


def _node_name(given: str, *, alone: bool) -> str:
    if alone:
        return ""
    try:
        return node_name(
            given or settings.NODE, shares_database=connection.vendor == "postgresql", host=socket.gethostname()
        )
    except NodeNameError as error:
        raise CommandError(str(error)) from error


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(text)
    return host.strip("[]") or "0.0.0.0", int(port)
