"""An HTTP client for untrusted servers: a time-out for the whole answer, a limit of its size, clear errors."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from proxy.errors import DPMPError

if TYPE_CHECKING:
    import httpx  # loaded with the first question: many proxies never ask one

USER_AGENT = "dpmp/4"

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each URL at INFO, and some hold a key


class SourceError(DPMPError):
    """A source of network data cannot be used now; the text says why, for the operator. Never holds a password."""


class SourceUnreachable(SourceError):
    """No answer, or none in time."""


class SourceRefused(SourceError):
    """An error status, or an error reported by the source."""


class SourceNonsense(SourceError):
    """An invalid answer: too large, no JSON, wrong fields, impossible numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Limits of one request."""

    timeout_s: float = 15.0
    """For one whole request, name lookup to the last byte."""
    max_bytes: int = 1_000_000


class HttpFetcher:
    """Sends one request at a time; does not follow redirects, does not accept compressed answers."""

    def __init__(self, client: "httpx.AsyncClient", limits: HttpLimits | None = None) -> None:
        self._client = client
        self._limits = limits or HttpLimits()

    async def json(
        self,
        url: str,
        *,
        auth: tuple[str, str] | None = None,
        payload: object | None = None,
        form: Mapping[str, str] | None = None,
        bearer: str = "",
    ) -> Any:
        """GET, or POST of ``payload`` as JSON or of ``form`` as a form; returns the parsed JSON.

        Raises:
            SourceError: of one of the three kinds.
        """
        body = await self.body(url, auth=auth, payload=payload, form=form, bearer=bearer)
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise SourceNonsense(f"The answer is no JSON: {error}.") from error

    async def body(
        self,
        url: str,
        *,
        auth: tuple[str, str] | None = None,
        payload: object | None = None,
        method: str = "",
        form: Mapping[str, str] | None = None,
        bearer: str = "",
    ) -> bytes:
        """The answer's bytes; ``method`` where it is another than ``json`` would use.

        Raises:
            SourceError: of one of the three kinds.
        """
        import httpx

        try:
            async with asyncio.timeout(self._limits.timeout_s):
                return await self._ask(self._request(url, payload, method, form, bearer), auth)
        except TimeoutError as error:
            raise SourceUnreachable(f"No complete answer within {self._limits.timeout_s:g} seconds.") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise SourceUnreachable("The address is no http or https URL.") from error
        except httpx.HTTPError as error:
            raise SourceUnreachable(f"No connection: {error or type(error).__name__}.") from error

    def _request(
        self, url: str, payload: object | None, method: str, form: Mapping[str, str] | None, bearer: str
    ) -> "httpx.Request":
        content = urlencode(form).encode() if form else None if payload is None else orjson.dumps(payload)
        headers = {
            "Accept": "application/json, text/plain",
            "Accept-Encoding": "identity",
            "User-Agent": USER_AGENT,
            "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
        }
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        return self._client.build_request(
            method or ("GET" if content is None else "POST"), url, content=content, headers=headers
        )

    async def _ask(self, request: "httpx.Request", auth: tuple[str, str] | None) -> bytes:
        import httpx

        response = await self._client.send(
            request, stream=True, follow_redirects=False, auth=httpx.BasicAuth(*auth) if auth else None
        )
        try:
            return await self._read(response)
        finally:
            await response.aclose()

    async def _read(self, response: "httpx.Response") -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise SourceNonsense("The answer is compressed, which was not asked for.")
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > self._limits.max_bytes:
                raise SourceNonsense(f"The answer is larger than {self._limits.max_bytes} bytes.")
        if response.status_code != 200 and not _is_rpc_error(response.status_code, bytes(body)):
            raise SourceRefused(_status(response.status_code))
        return bytes(body)


def _is_rpc_error(status: int, body: bytes) -> bool:
    """Whether the body is a JSON-RPC error: nodes send one with status 500 or 404."""
    return status in (404, 500) and body.lstrip()[:1] in (b"{", b"[") and b'"error"' in body


def _status(code: int) -> str:
    if code in (401, 403):
        return f"The user name or password was refused (HTTP {code})."
    if code == 429:
        return "The server wants to be asked less often (HTTP 429)."
    if 300 <= code < 400:
        return f"The server redirects (HTTP {code}): give the final address."
    return f"The server answered HTTP {code}."


async def authorities() -> ssl.SSLContext:
    """What ``make_client`` trusts by itself, read in a thread, with all that a client is made from: both would hold the
    loop for tens of milliseconds."""
    return await asyncio.to_thread(_authorities)


def _authorities() -> ssl.SSLContext:
    import httpx  # which takes as long, the first time

    context = httpx.create_ssl_context()
    make_client(context)  # httpx loads what makes connections with the first client
    return context


def make_client(tls: ssl.SSLContext | None = None) -> "httpx.AsyncClient":
    """A client for ``HttpFetcher``, that trusts what ``tls`` says; the caller closes it."""
    import httpx

    return httpx.AsyncClient(
        trust_env=False,
        timeout=None,
        limits=httpx.Limits(max_connections=8),
        verify=True if tls is None else tls,
    )


class ClientWhenNeeded:
    """A client for ``HttpFetcher`` that is made when it is asked for: with its authorities it is megabytes."""

    def __init__(self, made: "httpx.AsyncClient | None" = None) -> None:
        """``made``: a client of somebody else's, who closes it."""
        self._made = made
        self._is_own = made is None

    async def get(self) -> "httpx.AsyncClient":
        """The same at each call, for one task."""
        if self._made is None:
            self._made = make_client(await authorities())
        return self._made

    async def close(self) -> None:
        """Close what was made."""
        if self._made is not None and self._is_own:
            await self._made.aclose()
