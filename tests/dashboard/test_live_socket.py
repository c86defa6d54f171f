"""The WebSocket: who gets in, what is sent, what it costs, when it ends."""

import asyncio
import itertools
import json
from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.utils import timezone

from dashboard import consumers, live, viewers
from dashboard.models import ReadOnlyLink
from dashboard.routing import websocket_urlpatterns
from dpmp_site.asgi import application
from proxy.observe.live.broadcast import GROUP, Ticker
from proxy.observe.live.views import store
from tests.dashboard import fixtures
from tests.dashboard.test_every_address import ALL, SEE, browser_as  # noqa: F401
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)
OF_ONE = {"pool": "A", "poolchecks": "A", "worker": "AvalonQ"}
"""Regions of one thing, and which."""
WHO_MAY = {"live/": SEE, "": frozenset()}
"""Address of a socket -> who is let in; the last is any other address."""
HOME = "/live/?r=alarms&r=headline&r=split&r=pools&r=fleet"


@pytest.fixture(autouse=True)
def groups():
    """A transactional test starts with an empty database: the groups that the migration makes are made again."""
    from importlib import import_module

    from django.apps import apps

    import_module("dashboard.migrations.0002_groups").make_groups(apps, None)
    get_channel_layer().__init__()
    viewers.viewer_access.__init__()


async def opened(browser, path=HOME):
    """A communicator with the browser's cookies, and whether it was accepted."""
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    headers = [(b"cookie", cookies.encode()), (b"host", b"testserver"), (b"origin", b"http://testserver")]
    socket = WebsocketCommunicator(application, path, headers=headers)
    accepted, _ = await socket.connect(timeout=PATIENCE_S)
    return socket, accepted


async def test_each_socket_lets_in_whom_it_should_and_nobody_else(browser_as):  # noqa: F811
    assert {str(pattern.pattern) for pattern in websocket_urlpatterns} == set(WHO_MAY)
    browsers = {who: await sync_to_async(browser_as)(who) for who in ALL}
    for route, may in WHO_MAY.items():
        for who, browser in browsers.items():
            socket, accepted = await opened(browser, f"/{route}?r=split")
            assert accepted is (who in may), (route, who)
            if accepted:
                await socket.disconnect()


async def tick(revision, snap=None):
    """The proxy has a new snapshot and says so."""
    store.put(snap or fixtures.rich(revision))
    await get_channel_layer().group_send(GROUP, {"type": "live.tick", "revision": revision})


async def frame(socket):
    """The next frame, acknowledged as the browser does."""
    text = await socket.receive_from(timeout=PATIENCE_S)
    await socket.send_to(text_data='{"ack": 1}')
    return text


async def test_viewer_gets_the_regions_at_once_and_changes_at_a_tick(browser_of):
    socket, accepted = await opened(await sync_to_async(browser_of)("viewer"))
    assert accepted
    first = await frame(socket)
    assert 'id="live-split"' in first and 'id="live-pools"' in first
    await tick(2, fixtures.down(2))
    second = await frame(socket)
    assert "connection refused" in second
    await socket.disconnect()


async def test_what_did_not_change_is_not_sent_again(browser_of):
    socket, _ = await opened(await sync_to_async(browser_of)("viewer"))
    await frame(socket)
    await tick(2)
    beat = await frame(socket)
    assert beat == '<data id="live-beat" hx-swap-oob="outerHTML" value="2"></data>'
    await socket.disconnect()


@pytest.mark.no_cover
async def test_pushed_regions_hold_no_forms_and_no_tokens(browser_of):
    browser = await sync_to_async(browser_of)("administrator")
    keys = [*(name for name in live.REGIONS if name not in OF_ONE), *(f"{name}:{one}" for name, one in OF_ONE.items())]
    halves = (keys[::2], keys[1::2])  # a page has fewer than all of them
    for snap, some in itertools.product((fixtures.rich(1), fixtures.empty(2), fixtures.three(3)), halves):
        store.put(snap)
        socket, _ = await opened(browser, "/live/?" + "&".join(f"r={key}" for key in some))
        text = await frame(socket)
        assert "<form" not in text and "csrf" not in text and "<input" not in text
        await socket.disconnect()


async def test_stranger_and_account_without_group_are_refused(client, browser_of):
    assert not (await opened(client))[1]
    assert not (await opened(await sync_to_async(browser_of)("")))[1]


async def test_foreign_page_may_not_open_it(browser_of):
    browser = await sync_to_async(browser_of)("viewer")
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    headers = [(b"cookie", cookies.encode()), (b"host", b"testserver"), (b"origin", b"http://evil.example.org")]
    assert not (await WebsocketCommunicator(application, HOME, headers=headers).connect(timeout=PATIENCE_S))[0]


async def test_unknown_regions_are_not_served(browser_of):
    browser = await sync_to_async(browser_of)("viewer")
    assert not (await opened(browser, "/live/"))[1]
    assert not (await opened(browser, "/live/?r=nothing&r=../../etc"))[1]
    assert not (await opened(browser, "/live/?" + "r=split&" * 40))[1]


@pytest.mark.no_cover
@pytest.mark.parametrize("ending", ["logout", "password", "group", "inactive"])
async def test_viewer_is_dropped_at_the_next_push_when_the_right_is_gone(browser_of, ending):
    browser = await sync_to_async(browser_of)("viewer")
    socket, _ = await opened(browser)
    await frame(socket)
    await database_sync_to_async(end)(ending)
    await tick(2)
    message = await socket.receive_output(timeout=PATIENCE_S)
    assert message == {"type": "websocket.close", "code": 4401}


def end(how):
    viewer = User.objects.get(username="viewer")
    if how == "logout":
        Session.objects.all().delete()
    elif how == "password":
        viewer.set_password("another long pass phrase")
        viewer.save()
    elif how == "group":
        viewer.groups.remove(Group.objects.get(name="viewer"))
    else:
        viewer.is_active = False
        viewer.save()


async def test_revoked_link_is_dropped(db):
    from django.test import AsyncClient

    link, secret = await database_sync_to_async(ReadOnlyLink.make)(label="wall", by="ada")
    browser = AsyncClient()
    await browser.get(f"/view/{secret}/")
    socket, accepted = await opened(browser)
    assert accepted
    await frame(socket)
    link.revoked_at = timezone.now()
    await database_sync_to_async(link.save)()
    await tick(2)
    assert (await socket.receive_output(timeout=PATIENCE_S))["code"] == 4401


async def test_page_on_a_wall_is_live_for_more_than_a_day(browser_of, monkeypatch):
    monkeypatch.setattr(consumers, "JOIN_AGAIN_S", 0.0)
    socket, _ = await opened(await sync_to_async(browser_of)("viewer"))
    await frame(socket)
    layer = get_channel_layer()
    for revision in (2, 3, 4):
        for channel in layer.groups[GROUP]:
            layer.groups[GROUP][channel] -= 0.9 * layer.group_expiry
        await tick(revision)
        assert f'value="{revision}"' in await frame(socket)
    await socket.disconnect()


async def test_viewer_that_does_not_keep_up_skips_frames_and_gets_the_newest(browser_of):
    socket, _ = await opened(await sync_to_async(browser_of)("viewer"))
    await socket.receive_from(timeout=PATIENCE_S)
    for revision in range(2, 8):
        await tick(revision, fixtures.down(revision) if revision == 7 else None)
    assert await socket.receive_nothing(timeout=0.2)
    await socket.send_to(text_data='{"ack": 1}')
    late = await socket.receive_from(timeout=PATIENCE_S)
    assert 'value="7"' in late and "connection refused" in late
    await socket.disconnect()


@pytest.mark.parametrize("said", ["nonsense", json.dumps(["ack"]), "x" * 500, json.dumps({"steer": 1})])
async def test_anything_but_an_acknowledgement_ends_it(browser_of, said):
    socket, _ = await opened(await sync_to_async(browser_of)("viewer"))
    await socket.receive_from(timeout=PATIENCE_S)
    await socket.send_to(text_data=said)
    assert (await socket.receive_output(timeout=PATIENCE_S))["code"] == 1003


@pytest.mark.no_cover
async def test_fifty_viewers_cost_one_rendering_of_each_region_and_role(browser_of, person):
    browsers = [await sync_to_async(browser_of)("viewer"), await sync_to_async(browser_of)("operator")]
    sockets = [(await opened(browsers[number % 2]))[0] for number in range(50)]
    await asyncio.gather(*(frame(socket) for socket in sockets))
    await asyncio.gather(*(socket.receive_nothing(timeout=0.01) for socket in sockets))
    before = live.renderings.made
    await tick(2, fixtures.down(2))
    texts = await asyncio.gather(*(frame(socket) for socket in sockets))
    assert len(set(texts)) == 2, "an operator has a button that a viewer has not"
    assert live.renderings.made - before == 4 * 2, "four regions, two roles: nothing urgent is new of the workers"
    await asyncio.gather(*(socket.disconnect() for socket in sockets))


def test_check_of_many_viewers_takes_a_fixed_number_of_queries(person, django_assert_num_queries):
    from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    known = []
    for index, group in enumerate(("viewer", "operator", "administrator")):
        user = person(group)
        session = SessionStore()
        session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
        session.save()
        known.append(viewers.viewer_of(session))
        assert known[index].user_id == user.pk
    with django_assert_num_queries(5):
        answers = viewers.check(known * 10)
    assert [answers[viewer].steer for viewer in known] == [False, True, True]


async def test_viewers_at_rest_are_asked_for_once_in_some_seconds_and_at_each_change(browser_of, monkeypatch):
    asked, clock = [], [1000.0]
    monkeypatch.setattr(viewers, "check", lambda some, really=viewers.check: asked.append(some) or really(some))
    monkeypatch.setattr(viewers.time, "monotonic", lambda: clock[0])
    socket, _ = await opened(await sync_to_async(browser_of)("viewer"))
    await frame(socket)
    asked.clear()
    for revision in (2, 3, 4):
        await tick(revision)
        await frame(socket)
    assert not asked
    clock[0] += viewers.HOLDS_S
    await tick(5)
    await frame(socket)
    assert len(asked) == 1
    await database_sync_to_async(end)("group")
    await tick(6)
    assert (await socket.receive_output(timeout=PATIENCE_S))["code"] == 4401 and len(asked) == 2


async def test_figures_reach_open_pages_at_their_pace_and_what_is_urgent_at_once(browser_of):
    async def shown(revision, seconds, snap):
        await tick(revision, replace(snap, revision=revision, at=fixtures.NOW + seconds))
        return await frame(socket)

    vera = await sync_to_async(browser_of)("viewer")
    socket, _ = await opened(vera)
    await frame(socket)
    busy = fixtures.lively(7)
    busy = replace(busy, pools=tuple(replace(pool, payout_ok=False) for pool in busy.pools))
    assert 'id="live-pools"' in await shown(2, 1.0, busy), "whom a pool pays is urgent"
    counted = replace(busy, pools=tuple(replace(pool, delivered_5m=fixtures.rate(1e15)) for pool in busy.pools))
    assert "PH/s" not in await shown(3, 2.0, counted)
    assert "1.00 <small>PH/s" in await shown(4, 4.5, counted)
    store.put(replace(busy, revision=5, at=fixtures.NOW + 5.0))
    fresh = await sync_to_async(vera.get)("/")
    assert "1.00 <small>PH/s" not in fresh.content.decode(), "a page that is loaded has the newest"
    await socket.disconnect()


class Layer:
    """Remembers what is sent."""

    def __init__(self):
        self.sent = []

    async def group_send(self, group, message):
        self.sent.append(message["revision"])


async def test_each_snapshot_is_one_tick():
    layer = Layer()
    for step in range(3):
        assert await Ticker(layer).tick(step)
    assert layer.sent == [0, 1, 2]
