"""Listening sockets that a parent keeps open while the proxy restarts: socket activation, as in sd_listen_fds(3)."""

import os
import socket
from collections.abc import MutableMapping

STRATUM, TLS, WEB, METRICS = "stratum", "tls", "web", "metrics"
"""Names of the sockets that are taken (``FileDescriptorName=`` of a socket unit)."""
FIRST_FD = 3

taken: dict[str, socket.socket] = {}
"""What ``manage.py runproxy`` was passed. Taken before Twisted is imported, whose endpoints remove the variables."""


def take_inherited(environment: MutableMapping[str, str], pid: int) -> dict[str, socket.socket]:
    """The sockets that were passed to the process ``pid``, by name; the variables are removed, for children.

    What is no listening TCP socket, has another name, or comes a second time under one is left alone.
    """
    meant_for, count, names = (environment.pop(f"LISTEN_{what}", "") for what in ("PID", "FDS", "FDNAMES"))
    if meant_for != str(pid) or not count.isdecimal():
        return {}
    found: dict[str, socket.socket] = {}
    for fd, name in zip(range(FIRST_FD, FIRST_FD + int(count)), names.split(":"), strict=False):
        if name in (STRATUM, TLS, WEB, METRICS) and name not in found and (sock := _listening(fd)) is not None:
            found[name] = sock
    return found


def fits(sock: socket.socket, port: int) -> bool:
    """Whether it listens on ``port``; the address of its interface is its parent's matter. 0 fits any."""
    return port in (0, int(sock.getsockname()[1]))


def _listening(fd: int) -> socket.socket | None:
    try:
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
    except OSError:
        return None
    is_tcp = sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM
    if is_tcp and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.setblocking(False)
        return sock
    sock.detach()
    return None
