"""While the server is away the pages wait for it without a word in the browser's console."""

import socket
import threading

import pytest
from playwright.sync_api import expect

from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

pytestmark = pytest.mark.browser
CONTROLLED = "() => navigator.serviceWorker.controller && navigator.serviceWorker.controller.state === 'activated'"

LEARNT = "() => sessionStorage.getItem('dpmp_here')"
"""The page knows that a frame tells it whether the server answers."""


class Way:
    """A port that leads to the dashboard, until it is cut: then nobody listens there, as when the server is away."""

    def __init__(self, target):
        self._target, self._ends, self._turn = target, [], threading.Lock()
        self._port = steady_port()
        self._listener = self._listen()
        self.url = f"http://127.0.0.1:{self._port}"

    def cut(self):
        """Nobody listens any more, and what was connected is closed."""
        with self._turn:
            for end in (self._listener, *self._ends):
                _shut(end)
            self._ends.clear()

    def mend(self):
        """As it was before."""
        self._listener = self._listen()

    def _listen(self):
        listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener):
        while True:
            try:
                ends = listener.accept()[0], socket.create_connection(self._target)
            except OSError:
                return
            with self._turn:
                if listener.fileno() < 0:  # cut meanwhile
                    _shut(ends[0])
                    _shut(ends[1])
                    return
                self._ends += ends
            for here, there in (ends, ends[::-1]):
                threading.Thread(target=_pass_on, args=(here, there), daemon=True).start()


def _pass_on(here, there):
    try:
        while data := here.recv(65536):
            there.sendall(data)
    except OSError:
        pass
    finally:
        _shut(there)


def _shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    finally:
        end.close()


@pytest.fixture
def way(dashboard):
    found = Way(("127.0.0.1", int(dashboard.url.rpartition(":")[2])))
    yield found
    found.cut()


@pytest.mark.parametrize("installs", [False, True], ids=["plain", "with a service worker"])
def test_no_line_is_written_while_the_server_is_away_and_the_page_is_live_again_by_itself(visit, way, installs):
    page = visit("otto", path="", installs=installs)
    page.goto(f"{way.url}/")
    page.wait_for_selector('#live-state[data-state="live"]')
    if installs:
        page.wait_for_function(CONTROLLED)
    page.wait_for_function(LEARNT)
    expect(page.locator("[data-chart] canvas")).to_be_visible()  # no request is under way
    way.cut()
    expect(page.locator("#lost")).to_be_visible()
    page.bad.clear()  # of a request that was under way when the port was cut the browser complains
    for _ in range(4):
        page.wait_for_event("requestfailed", timeout=PATIENCE_S * 1000)
    way.mend()
    page.wait_for_selector('#live-state[data-state="live"]')
    expect(page.locator("#lost")).to_be_hidden()
    assert not page.bad, page.bad


def test_page_comes_back_also_where_a_web_server_in_front_forbids_frames(visit, way):
    page = visit("vera", path="")
    page.route("**/here/", lambda route: route.fulfill(body="no", headers={"X-Frame-Options": "DENY"}))
    with page.expect_request("**/here/"):
        page.goto(f"{way.url}/")
    page.wait_for_selector('#live-state[data-state="live"]')
    way.cut()
    expect(page.locator("#lost")).to_be_visible()
    way.mend()
    page.wait_for_selector('#live-state[data-state="live"]')


def test_notice_of_an_installed_page_waits_for_the_server_without_a_line(visit, way):
    page = visit("vera", path="", installs=True)
    page.goto(f"{way.url}/")
    page.wait_for_function(CONTROLLED)
    page.goto(f"{way.url}/records/")  # through the worker
    page.wait_for_selector('#live-state[data-state="live"]')
    page.wait_for_function(LEARNT)
    way.cut()
    page.goto(f"{way.url}/pools/")
    expect(page.get_by_role("heading")).to_have_text("The server cannot be reached")
    page.bad.clear()  # as above
    for _ in range(2):
        page.wait_for_event("requestfailed", timeout=PATIENCE_S * 1000)
    way.mend()
    page.wait_for_selector('#live-state[data-state="live"]')
    assert page.url.endswith("/pools/") and not page.bad, page.bad
