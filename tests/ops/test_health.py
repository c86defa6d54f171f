"""/healthz and /readyz tell monitoring what works, without login."""

import time
from dataclasses import replace

import pytest
from django.test import Client

from proxy.observe.live.views import LiveSnapshot, own, store
from proxy.ops import health
from proxy.types import PoolStatus
from tests.alerts.alert_cast import pool


@pytest.fixture
def client():
    return Client(headers={"host": "localhost"})


@pytest.fixture
def snapshot(monkeypatch):
    made = LiveSnapshot(revision=1, at=time.time(), started_at=0, pools=(pool("A"),), miner_address="0.0.0.0:3351")
    monkeypatch.setattr(store, "_current", made)
    monkeypatch.setattr(own, "_current", made)
    health.database.forget()
    return made


def test_process_that_answers_is_alive_even_without_a_database(client):
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_all_parts_working_is_ready(client, snapshot):
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "listening": True, "pool": True, "database": True}
    assert "no-cache" in response["cache-control"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"pools": (pool("A", status=PoolStatus.DOWN),)}, "pool"),
        ({"miner_address": ""}, "listening"),
        ({"at": 1000.0}, "listening"),
    ],
)
def test_missing_part_is_named(client, snapshot, monkeypatch, changes, missing):
    monkeypatch.setattr(own, "_current", replace(snapshot, **changes))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert [name for name, works in response.json().items() if not works] == ["ready", missing]


@pytest.mark.django_db
def test_no_proxy_in_the_process_is_not_ready(client, snapshot, monkeypatch):
    monkeypatch.setattr(store, "_current", None)
    monkeypatch.setattr(own, "_current", None)
    assert client.get("/readyz").json()["listening"] is False


@pytest.mark.django_db
def test_database_is_asked_only_every_few_seconds(client, snapshot, monkeypatch):
    asked = []
    monkeypatch.setattr(health, "can_write", lambda: asked.append(1) or False)
    for _ in range(5):
        assert client.get("/readyz").json()["database"] is False
    assert len(asked) == 1


@pytest.mark.django_db
def test_asking_changes_nothing(client, snapshot):
    from proxy.models import ConfigRevision

    client.get("/readyz")
    assert not ConfigRevision.objects.exists()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading_is_answered(client, path):
    assert client.post(path).status_code == 405


@pytest.mark.django_db
def test_a_node_is_not_ready_because_another_is(client, snapshot, monkeypatch):
    monkeypatch.setattr(own, "_current", replace(snapshot, miner_address=""))
    assert client.get("/readyz").json()["listening"] is False


@pytest.mark.django_db
def test_where_there_are_pages_alone_it_is_the_nodes_that_have_to_be_ready(client, snapshot, monkeypatch):
    monkeypatch.setattr(own, "_current", None)
    assert client.get("/readyz").json()["ready"] is True
