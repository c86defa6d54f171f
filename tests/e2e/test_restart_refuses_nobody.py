"""A parent that keeps the listening sockets open, as systemd does: a restart refuses no connection."""

import asyncio
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path

from proxy.net.tasks import spawn
from tests.e2e.conftest import Write
from tests.e2e.process import ProxyProcess, clean_environment
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S
from tests.support.tls import CERTIFICATE, KEY, write_certificate

PASS_SOCKETS = """
import fcntl, os, sys
held = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 20) for fd in sys.argv[1].split(",")]
for place, fd in enumerate(held):
    os.dup2(fd, 3 + place, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(held)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


class Visitors:
    """Connects to each address again and again, and waits for an answer of whoever accepts."""

    def __init__(self, stratum: int, web: int) -> None:
        self._talks = {
            stratum: b'{"id":1,"method":"mining.ping","params":[]}\n',
            web: b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        }
        self.refused: list[str] = []
        self.answered = dict.fromkeys(self._talks, 0)

    async def visit(self, port: int) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError as error:
                self.refused.append(f"{port}: {error}")
                return
            with suppress(OSError):  # accepted in the last moment by the one that ends: it came, and comes again
                writer.write(self._talks[port])
                self.answered[port] += bool(await reader.read(1))
            writer.close()

    async def until_answered(self, more: int) -> None:
        goal = {port: count + more for port, count in self.answered.items()}
        while any(self.answered[port] < count for port, count in goal.items()) and not self.refused:
            await asyncio.sleep(0.01)


async def test_no_connection_is_refused_while_the_proxy_restarts(new_data_dir: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=1024) as stratum,
        socket.create_server(("127.0.0.1", 0), backlog=1024) as web,
    ):
        ports = [sock.getsockname()[1] for sock in (stratum, web)]
        visitors = Visitors(*ports)
        tasks = [spawn(visitors.visit(port), name="visitor") for port in ports for _ in range(3)]
        fds = [sock.fileno() for sock in (stratum, web)]
        try:
            for _ in range(3):
                proxy = ProxyProcess(clean_environment(new_data_dir))
                proxy.before = (sys.executable, "-c", PASS_SOCKETS, ",".join(map(str, fds)), "stratum:web")
                proxy.pass_fds = tuple(fds)
                try:
                    await proxy.start(listen=ports[0], web=ports[1])
                    await asyncio.wait_for(visitors.until_answered(5), 60)
                    assert (await proxy.end())[0] == 0
                    assert not proxy.lines("inherited_socket_unused")
                    assert proxy.said == []
                finally:
                    await proxy.clear_away()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert visitors.refused == []
        assert all(count >= 15 for count in visitors.answered.values())


async def test_the_port_with_tls_is_taken_over_while_it_is_configured_and_told_to_be_unused_otherwise(
    new_data_dir: Path, write: Write, tmp_path: Path
) -> None:
    write_certificate(tmp_path, "localhost")
    trusting = ssl.create_default_context(cafile=str(tmp_path / CERTIFICATE))
    files = {"tls_certificate": str(tmp_path / CERTIFICATE), "tls_key": str(tmp_path / KEY)}
    with socket.create_server(("127.0.0.1", 0)) as parents:
        port = parents.getsockname()[1]
        for configured in (port, 0):
            proxy = ProxyProcess(clean_environment(new_data_dir))
            proxy.before = (sys.executable, "-c", PASS_SOCKETS, str(parents.fileno()), "tls")
            proxy.pass_fds = (parents.fileno(),)
            await write(proxy, SetUp(settings={"tls_port": configured, **files}))
            try:
                await proxy.start("--no-web")
                if configured:
                    async with asyncio.timeout(PATIENCE_S):
                        reader, writer = await asyncio.open_connection(
                            "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
                        )
                        writer.write(b'{"id":1,"method":"mining.ping","params":[]}\n')
                        assert b"pong" in await reader.readline()
                    writer.close()
                unused = [(line["socket"], line["configured"]) for line in proxy.lines("inherited_socket_unused")]
                assert unused == ([] if configured else [("tls", "off")])
            finally:
                await proxy.clear_away()


async def test_a_socket_on_another_port_than_the_configured_one_is_not_used_and_that_is_logged(
    new_data_dir: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as old:
        proxy = ProxyProcess(clean_environment(new_data_dir))
        proxy.before = (sys.executable, "-c", PASS_SOCKETS, str(old.fileno()), "stratum")
        proxy.pass_fds = (old.fileno(),)
        try:
            await proxy.start()
            (line,) = proxy.lines("inherited_socket_unused")
            assert line["address"] == f"127.0.0.1:{old.getsockname()[1]}"
            assert line["configured"] == f"127.0.0.1:{proxy.stratum}"
        finally:
            await proxy.clear_away()
