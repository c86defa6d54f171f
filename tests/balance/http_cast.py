"""A small HTTP server on the loopback that behaves, lies, hangs and sends garbage, as the test says."""

import asyncio
import base64
import json
import ssl
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from proxy.net.http_client import make_client

Writer = asyncio.StreamWriter


@dataclass
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def login(self) -> str:
        """``user:password`` of basic authentication."""
        return base64.b64decode(self.headers.get("authorization", "").removeprefix("Basic ")).decode()


Answer = Callable[[Request, Writer], Awaitable[None]]


@dataclass
class Server:
    """Where it listens and what it was asked."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def plain_client() -> httpx.AsyncClient:
    """For servers that speak plain HTTP: loading whom everybody trusts would take 40 ms each time."""
    return make_client(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def reply(body: object, status: int = 200, headers: str = "") -> Answer:
    """Answer with ``body``: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(request: Request, writer: Writer) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(raw)}\r\n{headers}Connection: close\r\n\r\n"
        writer.write(head.encode() + raw)

    return answer


def raw(*pieces: bytes) -> Answer:
    """Send ``pieces`` and close, whatever they are."""

    async def answer(request: Request, writer: Writer) -> None:
        for piece in pieces:
            writer.write(piece)

    return answer


async def hang(request: Request, writer: Writer) -> None:
    """Never answer; ends when the client leaves."""
    await writer.drain()
    await asyncio.Event().wait()


async def drip(request: Request, writer: Writer) -> None:
    """Answer one byte at a time for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def flood(request: Request, writer: Writer) -> None:
    """Send without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65_536)
        await writer.drain()


@asynccontextmanager
async def serve(answer: Answer):
    """Run the server for one test."""
    state, tasks = Server(), set()

    async def connected(reader: asyncio.StreamReader, writer: Writer) -> None:
        tasks.add(asyncio.current_task())
        try:
            request = await _read(reader)
            state.requests.append(request)
            await answer(request, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in head[1:] if ":" in line}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)
