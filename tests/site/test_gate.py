"""Logins have a short queue of their own, and pages are worked on a few at a time."""

import asyncio

import pytest
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from dpmp_site.gate import (
    LOGINS_AT_ONCE,
    LOGINS_IN_ALL,
    LOGINS_OF_AN_ADDRESS,
    LOGINS_OF_KNOWN_BROWSERS,
    LoginGate,
    RequestGate,
)
from dpmp_site.known_browsers import KNOWN_COOKIE, remember_browser
from proxy.net.tasks import spawn

pytestmark = pytest.mark.asyncio


class Stage:
    """An application whose requests last until ``finish``, and what was answered in its place."""

    def __init__(self):
        self.inside, self.most, self.served = 0, 0, 0
        self.finished = asyncio.Event()
        self.answers = []
        self.tasks = []

    async def __call__(self, scope, receive, send):
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.finished.wait()
            self.served += 1
        finally:
            self.inside -= 1

    async def _send(self, message):
        if message["type"] == "http.response.start":
            self.answers.append((message["status"], dict(message["headers"])))

    def ask(self, gate, method="POST", path="/login/", client="10.0.0.1", headers=()):
        scope = {"type": "http", "method": method, "path": path, "client": (client, 1), "headers": list(headers)}
        self.tasks.append(spawn(gate(scope, None, self._send), name="request"))
        return self.tasks[-1]

    async def end(self):
        self.finished.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def stage():
    made = Stage()
    yield made
    await made.end()


def gate_of(stage):
    return LoginGate(stage, {"/login/", "/login/passkey/"})


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_identity_provider_that_hangs_keeps_nobody_from_a_password(stage):
    gate = LoginGate(gate_of(stage), {"/login/provider/callback/"}, methods=("GET", "POST"))
    for number in range(6):
        stage.ask(gate, method="GET", path="/login/provider/callback/", client=f"10.0.0.{number}")
    await settle()
    assert stage.inside == LOGINS_AT_ONCE
    stage.ask(gate, client="10.0.1.1")
    await settle()
    assert stage.inside == LOGINS_AT_ONCE + 1


async def test_only_two_logins_are_worked_on_at_once(stage):
    gate = gate_of(stage)
    for number in range(6):
        stage.ask(gate, client=f"10.0.0.{number}")
    await settle()
    assert stage.inside == LOGINS_AT_ONCE
    await stage.end()
    assert (stage.served, stage.most, stage.answers) == (6, LOGINS_AT_ONCE, [])


async def test_flood_from_one_address_is_told_429_at_once_and_when_to_come_again(stage):
    gate = gate_of(stage)
    for number in range(200):
        stage.ask(gate, path=["/login/", "/login/passkey/"][number % 2])
    await settle()
    assert len(stage.answers) == 200 - LOGINS_OF_AN_ADDRESS
    assert {status for status, _ in stage.answers} == {429}
    assert all(int(headers[b"retry-after"]) > 0 for _, headers in stage.answers)


async def test_flood_leaves_room_for_a_login_from_another_address(stage):
    gate = gate_of(stage)
    for _ in range(200):
        stage.ask(gate)
    await settle()
    refused = len(stage.answers)
    mine = stage.ask(gate, client="10.0.0.2")
    stage.finished.set()
    await mine
    assert len(stage.answers) == refused
    assert stage.served == LOGINS_OF_AN_ADDRESS + 1


async def test_queue_is_short_whatever_the_number_of_addresses(stage):
    gate = gate_of(stage)
    for number in range(100):
        stage.ask(gate, client=f"10.0.1.{number}")
    await settle()
    assert len(stage.answers) == 100 - LOGINS_IN_ALL


def cookie_of_a_known_browser(name="ada"):
    response = HttpResponse()
    remember_browser(RequestFactory().get("/"), response, name)
    return [(b"cookie", f"a=b; {KNOWN_COOKIE}={response.cookies[KNOWN_COOKIE].value}".encode())]


async def test_known_browser_has_a_place_in_a_flood_from_everywhere(stage):
    gate = gate_of(stage)
    for number in range(100):
        stage.ask(gate, client=f"10.0.1.{number}")
    await settle()
    refused = len(stage.answers)
    mine = stage.ask(gate, client="10.0.1.1", headers=cookie_of_a_known_browser())
    stage.finished.set()
    await mine
    assert len(stage.answers) == refused
    assert stage.served == LOGINS_IN_ALL + 1


async def test_places_of_known_browsers_are_few_too(stage):
    gate, mine = gate_of(stage), cookie_of_a_known_browser()
    for _ in range(10):
        stage.ask(gate, headers=mine)
    await settle()
    assert len(stage.answers) == 10 - LOGINS_OF_AN_ADDRESS
    for number in range(50):
        stage.ask(gate, headers=cookie_of_a_known_browser(f"name{number}"))
    await settle()
    assert len(stage.answers) == 60 - LOGINS_OF_KNOWN_BROWSERS
    stage.finished.set()
    await asyncio.gather(*stage.tasks)
    assert gate._known == gate._present == {}


async def test_places_are_given_back_also_by_those_who_go_away(stage):
    gate = gate_of(stage)
    for _ in range(LOGINS_OF_AN_ADDRESS):
        stage.ask(gate)
    await settle()
    for task in stage.tasks:
        task.cancel()
    await settle()
    stage.ask(gate)
    await settle()
    assert (stage.inside, stage.answers, stage.finished.is_set()) == (1, [], False)
    await stage.end()
    assert gate._present == {}


async def test_login_page_and_other_pages_are_not_counted_as_logins(stage):
    gate = gate_of(stage)
    for _ in range(50):
        stage.ask(gate, method="GET")
        stage.ask(gate, path="/split/set/")
    await settle()
    assert (stage.inside, stage.answers) == (100, [])


async def test_behind_a_trusted_web_server_its_clients_are_told_apart(stage):
    gate = gate_of(stage)
    with override_settings(TRUST_PROXY=True):
        for number in range(10):
            stage.ask(gate, headers=[(b"x-forwarded-for", f"1.1.1.1, 203.0.113.{number}".encode())])
        await settle()
    assert stage.answers == []


async def test_pages_are_worked_on_a_few_at_a_time(stage):
    gate = RequestGate(stage, at_once=3)
    for _ in range(20):
        stage.ask(gate, method="GET", path="/")
    await settle()
    assert stage.inside == 3
    await stage.end()
    assert (stage.served, stage.most) == (20, 3)
