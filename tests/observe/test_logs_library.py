"""What libraries log becomes events: from any thread, without waiting, without refused pages, without secrets."""

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import Resolver404, resolve
from django.utils.log import log_response

from proxy.observe.events import InternalError, LibraryLog
from proxy.observe.log import LibraryHandler
from proxy.observe.log.library import MOST_WAITING
from tests.observe.logs_cast import Scene


class Loop:
    """Keeps what is to be called, until ``run``."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []
        self.closed = False

    def call_soon_threadsafe(self, call: Callable[..., object], *arguments: Any) -> None:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.calls.append(lambda: call(*arguments))

    def run(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Stage:
    """A handler in the place of the root's, and what became events."""

    def __init__(self) -> None:
        self.scene, self.loop = Scene(), Loop()
        self.heard: list[LibraryLog] = []
        self.scene.events.subscribe(LibraryLog, self.heard.append)
        self.handler = LibraryHandler(self.scene.events, self.loop.call_soon_threadsafe)

    def texts(self) -> list[str]:
        self.loop.run()
        return [event.text for event in self.heard]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    stage.handler.install()
    yield stage
    stage.handler.remove()


def test_warning_of_a_library_is_a_line_of_the_log(stage: Stage) -> None:
    logging.getLogger("daphne.server").warning("took %d s", 3)
    stage.loop.run()
    [line] = stage.scene.written()
    assert (line["event"], line["level"], line["logger"], line["text"]) == (
        "library_log",
        "WARNING",
        "daphne.server",
        "took 3 s",
    )


def test_error_comes_with_its_traceback(stage: Stage) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("some.library").exception("It failed")
    [text] = stage.texts()
    assert text.startswith("It failed\nTraceback")
    assert text.endswith("ValueError: broken")


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/pools/A/?next=secret", "GET /pools/A/"),
        ("/view/a-secret-link/", "GET /view/.../"),
        ("/no/such/page/", "GET /no/..."),
    ],
)
def test_page_that_fails_is_a_fault_of_ours_with_its_path_and_no_secret(stage: Stage, path: str, named: str) -> None:
    faults: list[InternalError] = []
    stage.scene.events.subscribe(InternalError, faults.append)

    def fail(request: HttpRequest) -> HttpResponse:
        with suppress(Resolver404):  # before that a request has none: a middleware can fail, too
            request.resolver_match = resolve(request.path)
        raise ValueError("broken page")

    answer = convert_exception_to_response(fail)(RequestFactory().get(path))
    assert answer.status_code == 500
    assert stage.texts() == [], "said once"
    [fault] = faults
    assert fault.where == f"page {named}"
    assert fault.traceback.startswith("Traceback") and fault.traceback.endswith("ValueError: broken page")
    [line] = stage.scene.written()
    assert (line["event"], line["level"]) == ("session_error", "ERROR")
    assert "secret" not in str(line)


def test_page_that_answers_that_something_is_unavailable_is_a_line_of_the_library(stage: Stage) -> None:
    log_response("Service Unavailable: %s", "/healthz", response=HttpResponse(status=503), request=HttpRequest())
    assert stage.texts() == ["Service Unavailable: /healthz"]


def test_what_is_less_than_a_warning_is_not_heard(stage: Stage) -> None:
    logging.getLogger("some.library").info("hello")
    assert stage.texts() == []


def test_socket_that_was_refused_is_no_line(stage: Stage) -> None:
    logging.getLogger("twisted").warning("dropping connection to peer %s with abort=False: Access denied", "tcp4:a:1")
    logging.getLogger("twisted").warning("something else")
    assert stage.texts() == ["something else"]


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_page_that_was_refused_is_no_line(stage: Stage, status: int) -> None:
    logging.getLogger("django.request").warning("Not Found: /x/", extra={"status_code": status})
    assert stage.texts() == []


def test_what_may_hold_the_address_of_an_alert_is_no_line(stage: Stage) -> None:
    logging.getLogger("apprise").error("Unparseable URL tgram://123:secret/")
    logging.getLogger("apprise.plugins").error("secret")
    assert stage.texts() == []


def test_warnings_of_python_are_heard(stage: Stage) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("this will be gone", DeprecationWarning, stacklevel=1)
    [text] = stage.texts()
    assert "this will be gone" in text


def test_other_threads_hand_over_and_emit_nothing_themselves(stage: Stage) -> None:
    thread = threading.Thread(target=lambda: logging.getLogger("worker").warning("from a thread"))
    thread.start()
    thread.join()
    assert stage.heard == []
    assert stage.texts() == ["from a thread"]


def test_flood_is_cut_and_counted(stage: Stage) -> None:
    for number in range(MOST_WAITING + 30):
        logging.getLogger("noisy").warning("no %d", number)
    texts = stage.texts()
    assert len(texts) == MOST_WAITING + 1
    assert [text for text in texts if "left out" in text] == ["30 more were left out: they came too fast."]
    logging.getLogger("noisy").warning("again")
    assert stage.texts()[-1] == "again"


@pytest.mark.no_cover
def test_record_that_cannot_be_put_into_words_harms_nobody(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(MOST_WAITING + 1):
        stage.handler.handle(logging.makeLogRecord({"name": "odd", "msg": "%d", "args": ("no number",)}))
    logging.getLogger("odd").warning("well")
    assert stage.texts() == ["well"]


def test_loop_that_has_ended_harms_nobody(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.loop.closed = True
    logging.getLogger("late").warning("bye")
    assert stage.texts() == []


def test_root_gets_its_handlers_back() -> None:
    before = logging.getLogger().handlers[:]
    stage = Stage()
    stage.handler.install()
    assert logging.getLogger().handlers == [stage.handler]
    stage.handler.remove()
    assert logging.getLogger().handlers == before
