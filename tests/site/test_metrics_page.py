"""The metrics on the dashboard's port: the same as on their own, for people who are logged in."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from prometheus_client import REGISTRY

from proxy.observe.events import EventStream
from proxy.observe.metrics import MetricsSink
from proxy.types import LineCount, PoolKey
from tests.observe.metrics_cast import shares_of

pytestmark = pytest.mark.django_db


def test_a_stranger_is_sent_to_the_login(client: Client) -> None:
    answer = client.get("/metrics", headers={"host": "localhost"})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")


def test_a_user_sees_what_prometheus_sees(client: Client) -> None:
    events = EventStream()
    sink = MetricsSink(events, shares_of(events), REGISTRY)
    try:
        lines = LineCount()
        lines.sent = 3
        sink.attach_lines(LineCount(), {PoolKey("A"): lines})
        client.force_login(get_user_model().objects.create_user("ann"))
        answer = client.get("/metrics", headers={"host": "localhost"})
    finally:
        sink.close()
    assert answer.status_code == 200
    assert b'dpmp_messages_tx_total{side="upstreamA"} 3.0' in answer.content
    assert b"django_http_requests" in answer.content
