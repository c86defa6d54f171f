"""Sockets that a parent listens on: taken by their names, and only what is meant for this process."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from proxy.net.inherited import FIRST_FD, METRICS, STRATUM, WEB, fits, take_inherited
from proxy.net.listener import StratumListener


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """Descriptors in the places of those that a parent passes: two listening sockets, one that is none, no socket."""
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    plain = socket.socket()
    file = os.open(os.devnull, os.O_RDONLY)
    fds = [listening[0].fileno(), listening[1].fileno(), plain.fileno(), file]
    first = 200
    for place, fd in enumerate(fds):
        os.dup2(fd, first + place)
    monkeypatch.setattr("proxy.net.inherited.FIRST_FD", first)
    yield listening
    for place in range(len(fds)):
        try:
            os.close(first + place)
        except OSError:
            continue
    for each in (*listening, plain):
        each.close()
    os.close(file)


def environment(names: str, *, pid: str = "7", count: str = "4") -> dict[str, str]:
    return {"LISTEN_PID": pid, "LISTEN_FDS": count, "LISTEN_FDNAMES": names, "HOME": "/"}


def test_listening_sockets_are_taken_by_name_and_children_hear_nothing_of_them(passed: list[socket.socket]) -> None:
    given = environment("stratum:web:metrics:stratum")
    found = take_inherited(given, 7)
    assert given == {"HOME": "/"}
    assert found.keys() == {STRATUM, WEB}, "the third does not listen, the fourth is no socket"
    assert [found[name].getsockname() for name in (STRATUM, WEB)] == [each.getsockname() for each in passed]
    assert not any(each.get_inheritable() for each in found.values())
    for each in found.values():
        each.close()


@pytest.mark.parametrize(
    "given",
    [
        {},
        environment("stratum", pid="8"),
        environment("stratum", pid=""),
        environment("stratum", count="many"),
        environment("", count="1"),
        environment("other:unknown"),
    ],
)
def test_what_is_not_meant_for_this_process_or_has_other_names_is_left_alone(
    passed: list[socket.socket], given: dict[str, str]
) -> None:
    assert take_inherited(given, 7) == {}


def test_a_socket_fits_the_port_that_is_configured() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        assert fits(sock, port) and fits(sock, 0)
        assert not fits(sock, port % 65535 + 1)
    assert FIRST_FD == 3 and METRICS == "metrics"


async def test_the_listener_takes_connections_from_it_and_leaves_it_open_for_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as parents:
        for _ in range(2):
            came = asyncio.Event()

            def refuse(peer: str, came: asyncio.Event = came) -> None:
                came.set()

            listener = StratumListener(refuse)
            sock = socket.socket(fileno=os.dup(parents.fileno()))
            assert await listener.start("192.0.2.1", 1, sock) == parents.getsockname()
            with socket.create_connection(parents.getsockname()):
                await asyncio.wait_for(came.wait(), 10)
            await listener.stop()
            socket.create_connection(parents.getsockname()).close()
