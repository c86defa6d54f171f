"""``python -m tests.support.fork_server FD``: has loaded the libraries, and forks for each ``manage.py``.

A child runs ``manage.py`` from its first line, with arguments, environment, folder and outputs of its own. The
libraries and the modules of ours that need no settings are there already; all that depends on the environment is
loaded by the child: settings, models, pages. ``tests.support.forked`` is the side of the tests. Linux only.
"""

import gc
import importlib
import json
import os
import selectors
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_REQUEST = 1 << 20
STREAMS = 3
"""A request brings standard input, output and error, and a pipe that is told the process id and the exit code."""
LOADED = (
    "autobahn.twisted.websocket",
    "channels.consumer",
    "channels.routing",
    "cryptography.x509",
    "daphne.http_protocol",
    "daphne.ws_protocol",
    "django.contrib.admin",
    "django.contrib.staticfiles.finders",
    "django.core.management.commands.runserver",
    "django.core.serializers.json",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.autodetector",
    "django.db.migrations.executor",
    "django.template.defaulttags",
    "django.urls",
    "django.views.generic",
    "django_prometheus.middleware",
    "httpx",
    "importlib.metadata",
    "markdown",
    "proxy.alerts.alert_engine",
    "proxy.balance.auto_balance",
    "proxy.balance.decision",
    "proxy.chains.chain_observer",
    "proxy.chains.payout",
    "proxy.config.importers.v2_format",
    "proxy.config.validate",
    "proxy.devices.cgminer",
    "proxy.devices.switch",
    "proxy.engine.engine",
    "proxy.management.banner",
    "proxy.money.income",
    "proxy.money.prices",
    "proxy.net.dialer",
    "proxy.net.garbage",
    "proxy.net.http_client",
    "proxy.net.lag_meter",
    "proxy.net.loop_watch",
    "proxy.net.miner_listeners",
    "proxy.nodes.merge",
    "proxy.observe.live.snapshot",
    "proxy.observe.live.worker_health",
    "proxy.observe.log",
    "proxy.observe.metrics",
    "proxy.scheduling.simulation",
    "proxy.updates.releases",
    "proxy.whatif.replay",
    "segno",
    "twisted.internet.asyncioreactor",
    "uvloop",
    "whitenoise.middleware",
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a child is to run."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str


def load() -> None:
    """Import what all starts have in common; fail rather than share what belongs to one start."""
    gc.disable()  # as in manage.py itself
    for name in LOADED:
        importlib.import_module(name)
    from django.conf import settings

    assert not settings.configured
    assert not {"dpmp_site.settings", "twisted.internet.reactor", "daphne.server"} & sys.modules.keys()
    assert threading.active_count() == 1


def serve(requests: socket.socket) -> Request | None:
    """Fork for each request, until there is nobody who could make one; a child returns with what it is to run."""
    living: dict[int, tuple[int, int]] = {}
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd in living:
                pid, told = living.pop(key.fd)
                selector.unregister(key.fd)
                os.close(key.fd)
                _, status = os.waitpid(pid, 0)
                _tell(told, os.waitstatus_to_exitcode(status))
                os.close(told)
                continue
            message, passed, _, _ = socket.recv_fds(requests, MAX_REQUEST, STREAMS + 1)
            if not message:
                return None
            *streams, told = passed
            pid = os.fork()
            if not pid:
                selector.close()
                requests.detach()
                for number, descriptor in enumerate(streams):
                    os.dup2(descriptor, number)
                os.closerange(STREAMS, os.sysconf("SC_OPEN_MAX"))
                return Request(**json.loads(message))
            for descriptor in streams:
                os.close(descriptor)
            watched = os.pidfd_open(pid)
            living[watched] = pid, told
            selector.register(watched, selectors.EVENT_READ)
            _tell(told, pid)


def _tell(pipe: int, number: int) -> None:
    with suppress(BrokenPipeError):  # a test may have ended without waiting
        os.write(pipe, b"%d\n" % number)


def become(request: Request) -> None:
    """Go on as ``python manage.py`` with what is requested."""
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    sys.argv = ["manage.py", *request.arguments]
    path, main = Path.cwd() / sys.argv[0], sys.modules["__main__"]
    main.__file__, main.__spec__ = str(path), None
    exec(compile(path.read_bytes(), path, "exec"), main.__dict__)


if __name__ == "__main__":
    load()
    wanted = serve(socket.socket(fileno=int(sys.argv[1])))
    if wanted is not None:
        become(wanted)
