"""Nodes for tests, and what the database's clock would do to their rows."""

from datetime import timedelta

from django.db.models import F

from proxy.models.nodes import Lease, ProxyNode
from proxy.nodes.node_rows import SILENT_S, Me

LONG = timedelta(seconds=SILENT_S + 60)


def me(name="one", run=None, home="", host="box"):
    return Me(name=name, run=run or f"{name}-run", home=home, version="4.0.0", host=host, pid=7)


def silence(name):
    """The node is not heard for longer than is allowed."""
    ProxyNode.objects.filter(name=name).update(seen_at=F("seen_at") - LONG)


def expire():
    """The lease is not renewed for longer than it lasts."""
    Lease.objects.update(expires_at=F("expires_at") - LONG)


class GivenLease:
    """A lease that a test gives and takes; ``stolen``: the database knows more than the node."""

    is_shared = True

    def __init__(self, held=True):
        self.held, self.stolen = held, False

    def check(self):
        from proxy.nodes.lease import LeaseLost

        if self.stolen:
            raise LeaseLost("taken")
