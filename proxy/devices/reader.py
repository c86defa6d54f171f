"""Asks one miner: AxeOS by HTTP, cgminer's relatives by TCP. Each answer is bounded in size, each question in time."""

import asyncio
import json
import ssl
from collections.abc import Mapping

import httpx

from proxy.devices import axeos, cgminer
from proxy.devices.cgminer import Answers
from proxy.devices.facts import Api, Facts, NoAnswer, Nonsense, NotAllowed, json_object
from proxy.net.http_client import HttpFetcher, HttpLimits, SourceError, SourceRefused, SourceUnreachable
from proxy.text import address_text

CONNECT_S, COMMAND_S, READ_S = 3.0, 5.0, 12.0
"""For a connection, one question, all questions to one miner."""
AXEOS_LIMITS = HttpLimits(timeout_s=COMMAND_S, max_bytes=65_536)
CONCURRENT = 16
"""Miners that are asked at the same time."""


def make_client() -> httpx.AsyncClient:
    """The HTTP client of all readings; the caller closes it. A connection is kept by nobody: the firmware has few."""
    limits = httpx.Limits(max_connections=4 * CONCURRENT, max_keepalive_connections=0)
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # miners speak plain HTTP: no authorities are loaded on the loop
    return httpx.AsyncClient(trust_env=False, timeout=None, limits=limits, verify=nobody)


class DeviceReader:
    """Reads and sets miners; an address has been checked by ``proxy.devices.networks`` before."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._http = HttpFetcher(client, AXEOS_LIMITS)

    async def facts(self, api: Api, host: str, port: int) -> Facts:
        """What the miner says now. Nothing is changed by it.

        Raises:
            DeviceError: of one of the kinds.
        """
        try:
            async with asyncio.timeout(READ_S):
                if api is Api.AXEOS:
                    return axeos.facts_of(await self.info(host, port))
                return cgminer.facts_of(await self.answers(host, port))
        except TimeoutError as error:
            raise NoAnswer("It did not answer in time.") from error

    async def info(self, host: str, port: int) -> object:
        """AxeOS's answer. Raises ``DeviceError``."""
        return await self._ask_axeos(host, port, "/api/system/info", "GET")

    async def patch(self, host: str, port: int, changes: Mapping[str, object]) -> None:
        """Change settings of AxeOS, and start it anew: it uses a new pool only then. Raises ``DeviceError``."""
        await self._ask_axeos(host, port, "/api/system", "PATCH", dict(changes))
        await self._ask_axeos(host, port, "/api/system/restart", "POST", {})

    async def _ask_axeos(self, host: str, port: int, path: str, method: str, payload: object | None = None) -> object:
        try:
            body = await self._http.body(f"http://{address_text(host, port)}{path}", payload=payload, method=method)
        except SourceUnreachable as error:
            raise NoAnswer("It does not answer.") from error
        except SourceRefused as error:
            raise NotAllowed("It refuses the request.") from error
        except SourceError as error:
            raise Nonsense("Its answer cannot be used.") from error
        return json_object(body) if method == "GET" else None

    async def answers(self, host: str, port: int) -> Answers:
        """What a relative of cgminer says to all commands that are asked. Raises ``DeviceError``."""
        answers = Answers()
        answers.add(cgminer.FIRST, await self.command(host, port, cgminer.FIRST))
        for command in cgminer.commands(answers):
            try:
                answers.add(command, await self.command(host, port, command))
            except Nonsense:
                if command == "summary":
                    raise
        return answers

    async def command(self, host: str, port: int, command: str, parameter: str = "") -> Mapping[str, object]:
        """The answer to one command of cgminer's API. Raises ``DeviceError``."""
        question = {"command": command} | ({"parameter": parameter} if parameter else {})
        try:
            async with asyncio.timeout(COMMAND_S):
                return cgminer.parsed(await _exchange(host, port, json.dumps(question).encode()))
        except TimeoutError as error:
            raise NoAnswer("It did not answer in time.") from error
        except OSError as error:
            raise NoAnswer("It does not answer.") from error


async def _exchange(host: str, port: int, question: bytes) -> bytes:
    """Send ``question`` and read to the zero byte or the end; no more than an answer may have."""
    async with asyncio.timeout(CONNECT_S):
        reader, writer = await asyncio.open_connection(host, port, limit=cgminer.MAX_ANSWER)
    try:
        writer.write(question)
        answer = bytearray()
        while len(answer) <= cgminer.MAX_ANSWER:
            piece = await reader.read(16_384)
            answer += piece
            if not piece or b"\x00" in piece:
                break
        return bytes(answer.partition(b"\x00")[0]) if b"\x00" in answer else bytes(answer)
    finally:
        writer.transport.abort()
