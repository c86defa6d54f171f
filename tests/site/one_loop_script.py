"""Run by test_web_server in a process of its own: Daphne on a uvloop loop that ``run_until_complete`` runs."""

import asyncio
import base64
import gc
import json
import os
import socket
import sys
import time
from collections import Counter as Counted

from dpmp_site.bootstrap import use_uvloop

use_uvloop()

from asgiref.sync import sync_to_async  # noqa: E402
from daphne.server import twisted_loop  # noqa: E402
from prometheus_client import CollectorRegistry, Counter  # noqa: E402
from twisted.internet import threads  # noqa: E402
from twisted.web.http import HTTPChannel  # noqa: E402

from proxy.net.servers import ListeningServer, MetricsServer, _BoundedRequest, _PageSocket  # noqa: E402
from proxy.net.tasks import spawn  # noqa: E402
from proxy.net.web_turns import _PacedConnection  # noqa: E402
from tests.support.patience import PATIENCE_S, ProcessorWait  # noqa: E402

FREED_WITHIN_S = 20.0
"""Less than the time after which the web server closes what is idle."""


class Unread:
    """A page that leaves in the middle of a frame: it says so, and reads nothing more."""

    def __init__(self):
        self.was_sent, self.has_left = asyncio.Event(), asyncio.Event()
        self.heard = asyncio.Queue()

    async def serve(self, receive, send):
        try:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "x" * 16_000_000})
            self.was_sent.set()
            await self.has_left.wait()
            await send({"type": "websocket.send", "text": "more"})
            self.heard.put_nowait((await receive())["type"])
        except Exception as error:
            self.heard.put_nowait(str(error))
            raise

    async def leave(self, web):
        """Close the page's WebSocket; what the application heard of it."""
        _, _, writer = await open_websocket(web.address[1], "/unread")
        await self.was_sent.wait()
        [page] = [socket for socket in web._server.websockets() if socket.request.path == "/unread"]
        writer.write(bytes([0x88, 0x80, 0, 0, 0, 0]))
        while page.state == page.STATE_OPEN:
            await asyncio.sleep(0.01)
        self.has_left.set()
        await asyncio.sleep(0)
        writer.close()
        return await self.heard.get()


unread = Unread()


class Loop:
    """Which turn it is, where somebody counts."""

    turn = 0
    requests: Counted[int] = Counted()

    @classmethod
    async def count(cls):
        while True:
            await asyncio.sleep(0)
            cls.turn += 1


async def application(scope, receive, send):
    Loop.requests[Loop.turn] += 1
    if scope["type"] == "websocket":
        await receive()
        if scope["path"] == "/unread":
            return await unread.serve(receive, send)
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"].upper()})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(60)
    while (await receive()).get("more_body"):
        pass
    name = await sync_to_async(os.path.basename)("/a/b")
    root = scope["root_path"] or "none"
    body = f"{name} {root}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def ask(port, request):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    return head, reader, writer


async def get(port, path, method="GET", extra=""):
    request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{extra}\r\n"
    head, reader, writer = await ask(port, request.encode())
    body = await reader.read()
    writer.close()
    return head.split()[1].decode(), body.decode()


async def named(port, host):
    head, _, writer = await ask(port, f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    writer.close()
    return head.split()[1].decode()


async def open_websocket(port, path="/ws"):
    key = base64.b64encode(bytes(16)).decode()
    return await ask(
        port,
        (
            f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"
            f"Upgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode(),
    )


async def say(reader, writer, text):
    writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode())
    _, length = await reader.readexactly(2)
    return (await reader.readexactly(length)).decode()


def alive():
    kinds = (HTTPChannel, _BoundedRequest, _PacedConnection, _PageSocket)
    return sum(isinstance(each, kinds) for each in gc.get_objects())


async def freed_pages(port):
    """How many objects of connections that ended are left for the garbage collector."""
    gc.disable()
    for _ in range(3):
        _, reader, writer = await open_websocket(port)
        await say(reader, writer, "hello")
        writer.close()
        _, _, kept_alive = await ask(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        kept_alive.close()
    until = time.monotonic() + FREED_WITHIN_S
    while alive() and time.monotonic() < until:
        await asyncio.sleep(0.05)
    left = alive()
    gc.enable()
    return left


async def refused_on(port):
    try:
        await ListeningServer(application).start("127.0.0.1", port)
    except OSError as error:
        return str(error)
    return "not refused"


async def too_large(port, length=90000, method="POST", path="/metrics", headers=""):
    """What a request is answered of which only the beginning is ever sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {length}\r\n\r\nabc".encode())
        return (await asyncio.wait_for(reader.read(), PATIENCE_S)).decode()
    finally:
        writer.close()


async def endless(port, most):
    """What a chunked body over the limit is answered, and about how much of it was taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    try:
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        while sent < most and not reader.at_eof():
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()
            sent += 0x10000
            await asyncio.sleep(0.01)
    except ConnectionError:
        pass
    finally:
        writer.close()
    return sent


async def many_clients(port, number):
    """How many of so many idle connections stay open, and whether a page is answered once they are gone."""
    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(number)]
    await asyncio.sleep(0.5)
    stay = sum(not reader.at_eof() for reader, _ in pairs)
    for _, writer in pairs:
        writer.close()
    await asyncio.sleep(0.5)
    return stay


async def in_turns(port, number):
    """How many of so many requests at once are answered, and the most of them whose work began in the same turn."""
    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(number)]
    Loop.requests.clear()
    counting = spawn(Loop.count(), name="turns")
    for _, writer in pairs:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answers = await asyncio.gather(*(reader.read() for reader, _ in pairs))
    counting.cancel()
    for _, writer in pairs:
        writer.close()
    return sum(answer.startswith(b"HTTP/1.1 200") for answer in answers), max(Loop.requests.values())


class Slow:
    """A collector that takes its time in the thread that asks."""

    builds = 0

    def collect(self):
        Slow.builds += 1
        time.sleep(0.5)
        return []


async def scrapes(port, number):
    """The builds for so many scrapes at once, and the longest time that the loop stood still meanwhile."""
    Slow.builds, longest = 0, 0.0
    asking = asyncio.gather(*(get(port, "/metrics") for _ in range(number)))
    while not asking.done():
        began = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - began)
    assert all(status == "200" for status, _ in asking.result())
    return Slow.builds, longest


async def timed_stop(server):
    started, waited = time.monotonic(), ProcessorWait(os.getpid())
    await server.stop()
    return time.monotonic() - started - waited.look()


def is_closed(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def main():
    registry = CollectorRegistry()
    Counter("dpmp_test", "A counter.", registry=registry).inc(3)
    registry.register(Slow())
    web, metrics = ListeningServer(application), MetricsServer(registry, is_allowed=lambda host: host != "evil.com")
    await web.start("127.0.0.1", 0)
    await metrics.start("127.0.0.1", 0)
    port, metrics_port = web.address[1], metrics.address[1]
    found = {"loop": type(asyncio.get_running_loop()).__module__}
    found["freed"] = await freed_pages(port)
    found["page"] = await get(port, "/", extra="Daphne-Root-Path: /evil\r\n")
    head, reader, writer = await open_websocket(port)
    found["upgrade"] = head.split()[1].decode()
    found["echo"] = await say(reader, writer, "hello")
    found["left"] = await asyncio.wait_for(unread.leave(web), PATIENCE_S)
    found["thread"] = await threads.deferToThread(lambda: "from a thread").asFuture(asyncio.get_running_loop())
    found["metrics"] = await get(metrics_port, "/metrics")
    found["head"] = await get(metrics_port, "/metrics", method="HEAD")
    found["post"] = await get(metrics_port, "/metrics", method="POST", extra="Content-Length: 0\r\n")
    found["elsewhere"] = await get(metrics_port, "/")
    found["other_name"] = await named(metrics_port, "evil.com")
    found["too_large"] = await too_large(metrics_port)
    found["page_too_large"] = await too_large(port, length=31_000_000, path="/")
    found["endless"] = await endless(port, 31_000_000)
    found["many_clients"] = await many_clients(port, 300), await many_clients(metrics_port, 40)
    found["in_turns"] = await in_turns(port, 200)
    found["scrapes"] = await scrapes(metrics_port, 12)
    found["taken"] = await refused_on(port)
    found["port"] = port
    _, idle, _ = await ask(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")  # kept alive
    _, slow_writer = await asyncio.open_connection("127.0.0.1", port)
    slow_writer.write(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await get(port, "/")  # the slow one is at work by now
    found["stop_s"], frame = await asyncio.gather(timed_stop(web), reader.readexactly(4))
    found["close_frame"] = frame.hex()
    found["idle_rest"] = (await asyncio.wait_for(idle.read(), PATIENCE_S)).decode()
    found["metrics_stop_s"] = await timed_stop(metrics)
    found["closed"] = [is_closed(port), is_closed(metrics_port)]
    return found


sys.stdout.write(json.dumps(twisted_loop.run_until_complete(main())))
