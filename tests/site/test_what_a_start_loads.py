"""What few proxies need is loaded where it is needed: a start is seconds on a small machine."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SELDOM = {
    "aiomqtt",
    "apprise",
    "fido2",
    "httpx",
    "ninja",
    "proxy.alerts.push_sending",
    "proxy.alerts.web_push",
    "proxy.simulator.miner",
    "proxy.simulator.pool",
    "zeroconf",
}
START = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "dpmp_site.settings"
import django
django.setup()
import dpmp_site.asgi, proxy.management.commands.runproxy
print(*sys.modules)
"""


def test_start_loads_nothing_that_few_proxies_need(own_environment):
    done = subprocess.run([sys.executable, "-c", START], cwd=ROOT, env=own_environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "proxy.node" in loaded
    assert "dashboard.urls" in loaded
    assert loaded & SELDOM == set()
