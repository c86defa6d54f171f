"""What the gate refuses before Django, and the stream of live snapshots."""

import asyncio
import json
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.contrib.auth.models import Group, User
from django.db import OperationalError
from django.utils import timezone

from dashboard.api import streaming
from dashboard.api.gate import ApiGate
from dashboard.api.streaming import EventStream
from dashboard.models import ApiToken
from proxy.observe.live.broadcast import GROUP
from proxy.observe.live.views import store
from tests.dashboard import fixtures
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def groups():
    """A transactional test starts with an empty database: the groups that the migration makes are made again."""
    from importlib import import_module

    from django.apps import apps

    import_module("dashboard.migrations.0002_groups").make_groups(apps, None)
    get_channel_layer().__init__()


def token_of(role="viewer", label="home"):
    """A secret, and its row."""
    user = User.objects.filter(username="ada").first() or User.objects.create_user("ada")
    user.groups.add(Group.objects.get(name="administrator"))
    token, secret = ApiToken.make(User.objects.get(pk=user.pk), label, role=role, days=7)
    return secret, token


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Behind:
    """What stands behind the gate: answers 200 and counts."""

    def __init__(self):
        self.calls = 0

    async def __call__(self, scope, receive, send):
        self.calls += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def scope_of(path="/api/v1/fleet", secret="", address="10.0.0.1", query=b"", host=b"dpmp.local", method="GET"):
    headers = [(b"host", host)] + ([(b"authorization", f"Bearer {secret}".encode())] if secret else [])
    return {
        "type": "http",
        "method": method,
        "path": path,
        "headers": headers,
        "client": (address, 1),
        "query_string": query,
    }


async def answer(app, **about):
    call = ApplicationCommunicator(app, scope_of(**about))
    await call.send_input({"type": "http.request", "body": b""})
    start = await call.receive_output(PATIENCE_S)
    body = await call.receive_output(PATIENCE_S)
    await call.wait(PATIENCE_S)
    return start["status"], dict(start["headers"]), body["body"]


async def test_wrong_tokens_are_refused_without_django_and_limited_by_address():
    behind, clock = Behind(), Clock()
    gate = ApiGate(behind, behind, clock)
    secret, _ = await database_sync_to_async(token_of)()
    codes = [(await answer(gate, secret="dpmp_" + "A" * 43))[0] for _ in range(32)]
    assert codes == [401] * 30 + [429] * 2
    status, headers, body = await answer(gate)
    assert (status, headers[b"content-type"]) == (429, b"application/problem+json")
    assert int(headers[b"retry-after"]) >= 1
    assert json.loads(body)["status"] == 429
    assert behind.calls == 0
    assert (await answer(gate, secret="dpmp_" + "A" * 43, address="10.0.0.2"))[0] == 401
    # Whoever has a token goes on at the address of the one who guesses, also with one that is new.
    assert (await answer(gate, secret=secret))[0] == 200
    fresh, _ = await database_sync_to_async(token_of)(label="fresh")
    clock.now += 1.1
    assert (await answer(gate, secret=fresh))[0] == 200


async def test_one_address_of_an_ipv6_network_does_not_make_up_for_another():
    gate = ApiGate(Behind(), Behind(), Clock())
    codes = [(await answer(gate, address=f"2001:db8::{number:x}"))[0] for number in range(31)]
    assert codes == [401] * 30 + [429]


async def test_guesses_cost_one_query_a_second(django_assert_max_num_queries):
    gate, clock = None, Clock()
    gate = ApiGate(Behind(), Behind(), clock)
    asked = 0

    async def count(_generation, _key, make):
        nonlocal asked
        asked += 1
        return await make()

    gate._reading.get = count
    for _ in range(20):
        await answer(gate, secret="dpmp_" + "A" * 43)
        clock.now += 0.1
    assert asked <= 3


async def test_each_token_has_a_budget_of_its_own():
    behind = Behind()
    gate = ApiGate(behind, behind, Clock())
    one, _ = await database_sync_to_async(token_of)()
    other, _ = await database_sync_to_async(token_of)(label="other")
    gate.of_tokens.__init__(burst=5, per_s=1)
    codes = [(await answer(gate, secret=one))[0] for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2
    assert (await answer(gate, secret=other))[0] == 200


async def test_changes_have_a_smaller_budget():
    behind = Behind()
    gate = ApiGate(behind, behind, Clock())
    secret, _ = await database_sync_to_async(token_of)()
    gate.of_changes.__init__(burst=2, per_s=1)
    codes = [(await answer(gate, secret=secret, method="PUT"))[0] for _ in range(3)]
    assert codes == [200, 200, 429]
    assert (await answer(gate, secret=secret))[0] == 200


async def test_without_a_database_a_call_is_told_so(monkeypatch):
    def away(*_args):
        raise OperationalError("gone")

    secret, _ = await database_sync_to_async(token_of)()
    stream = EventStream()
    monkeypatch.setattr("dashboard.api.gate.hashes_of_live_tokens", away)
    monkeypatch.setattr("dashboard.api.streaming.caller_of", away)
    status, headers, _ = await answer(ApiGate(stream, stream, Clock()), secret=secret)
    assert (status, headers[b"retry-after"]) == (503, b"5")
    assert await Reader(stream, secret=secret).begin() == 503


async def test_the_other_addresses_are_none_of_its_business():
    behind = Behind()
    gate = ApiGate(behind, behind, Clock())
    for path in ("/", "/api/v1/", "/api/v1/openapi.json", "/workers/"):
        assert (await answer(gate, path=path))[0] == 200


# --- The stream -------------------------------------------------------------------------------------------------------


class Reader:
    """One who reads the stream."""

    def __init__(self, app, **about):
        self._call = ApplicationCommunicator(app, scope_of("/api/v1/stream", **about))

    async def begin(self):
        await self._call.send_input({"type": "http.request", "body": b""})
        self.start = await self._call.receive_output(PATIENCE_S)
        return self.start["status"]

    async def event(self):
        """The next event's data; None at the end."""
        while True:
            said = await self._call.receive_output(PATIENCE_S)
            if not said.get("more_body"):
                await self._call.wait(PATIENCE_S)
                return None
            if b"data: " in said["body"]:
                return json.loads(said["body"].split(b"data: ")[1])

    async def leave(self):
        await self._call.send_input({"type": "http.disconnect"})
        await self._call.wait(PATIENCE_S)


async def tick(revision):
    store.put(fixtures.rich(revision))
    await get_channel_layer().group_send(GROUP, {"type": "live.tick", "revision": revision})


async def test_a_reader_gets_a_snapshot_at_once_and_each_that_follows():
    secret, _ = await database_sync_to_async(token_of)()
    reader = Reader(EventStream(), secret=secret, query=b"events=2")
    assert await reader.begin() == 200
    first = await reader.event()
    assert set(first) == {"fleet", "pools", "split", "control", "alarms"}
    await tick(7)
    assert (await reader.event())["fleet"]["revision"] == 7
    assert await reader.event() is None


async def test_who_leaves_is_forgotten():
    secret, token = await database_sync_to_async(token_of)()
    stream = EventStream()
    reader = Reader(stream, secret=secret)
    await reader.begin()
    await reader.event()
    assert stream._readers[token.pk] == 1
    await reader.leave()
    assert not stream._readers


async def test_readers_are_bounded_for_each_token_and_in_all(monkeypatch):
    monkeypatch.setattr(streaming, "MOST_OF_A_TOKEN", 1)
    monkeypatch.setattr(streaming, "MOST_READERS", 2)
    secrets = [(await database_sync_to_async(token_of)(label=label))[0] for label in "abc"]
    stream, readers = EventStream(), []
    for secret in secrets[:2]:
        readers.append(Reader(stream, secret=secret))
        assert await readers[-1].begin() == 200
    assert await Reader(stream, secret=secrets[0]).begin() == 429
    assert await Reader(stream, secret=secrets[2]).begin() == 429
    for reader in readers:
        await reader.leave()


async def test_what_one_connection_is_sent_is_bounded(monkeypatch):
    monkeypatch.setattr(streaming, "MOST_BYTES", 10)
    secret, _ = await database_sync_to_async(token_of)()
    reader = Reader(EventStream(), secret=secret)
    await reader.begin()
    assert await reader.event()
    assert await reader.event() is None


async def test_a_connection_ends_before_the_web_server_would_end_it(monkeypatch):
    monkeypatch.setattr(streaming, "LASTS_S", 0.05)
    secret, _ = await database_sync_to_async(token_of)()
    reader = Reader(EventStream(), secret=secret)
    assert await reader.begin() == 200
    while await reader.event():  # fails where the end does not come
        pass


async def test_a_token_that_is_revoked_ends_its_streams(monkeypatch):
    monkeypatch.setattr(streaming, "CHECKED_EVERY_S", 0.0)
    secret, token = await database_sync_to_async(token_of)()
    reader = Reader(EventStream(), secret=secret)
    await reader.begin()
    await reader.event()
    await sync_to_async(token.revoke)("ada")
    await tick(8)
    assert await reader.event() is None


async def test_one_rendering_serves_all_readers_with_the_same_rights(monkeypatch):
    made = []
    monkeypatch.setattr(streaming, "_event_for", lambda access, snap: made.append(access) or b"data: {}\n\n")
    viewer = [(await database_sync_to_async(token_of)(label=label))[0] for label in "ab"]
    wall, _ = await database_sync_to_async(token_of)("read-only")
    stream = EventStream()
    readers = [Reader(stream, secret=secret) for secret in (*viewer, wall)]
    for reader in readers:
        await reader.begin()
        await reader.event()
    assert len(made) == 2
    await asyncio.gather(*(reader.leave() for reader in readers))


async def test_nobody_reads_without_a_token_that_works_under_a_strange_name_or_with_an_odd_number():
    secret, token = await database_sync_to_async(token_of)()
    stream = EventStream()
    assert await Reader(stream).begin() == 401
    assert await Reader(stream, secret=secret, host=b"evil.example").begin() == 400
    for odd in (b"events=0", b"events=61", b"events=x", b"events=\xff", b"events=10000"):
        assert await Reader(stream, secret=secret, query=odd).begin() == 422
    await ApiToken.objects.filter(pk=token.pk).aupdate(expires_at=timezone.now() - timedelta(seconds=1))
    assert await Reader(stream, secret=secret).begin() == 401
