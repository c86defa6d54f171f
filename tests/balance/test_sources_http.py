"""Asking over HTTP: servers that hang, drip, flood, redirect, refuse or send garbage cost a clear error, no more."""

import threading

import pytest

from proxy.net import http_client
from proxy.net.http_client import (
    ClientWhenNeeded,
    HttpFetcher,
    HttpLimits,
    SourceNonsense,
    SourceRefused,
    SourceUnreachable,
)
from tests.balance.http_cast import drip, flood, hang, plain_client, raw, reply, serve
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

LIMITS = HttpLimits(timeout_s=PATIENCE_S, max_bytes=10_000)
QUICK = HttpLimits(timeout_s=0.3)


async def ask(answer, limits=LIMITS, **request):
    async with serve(answer) as server, plain_client() as client:
        return await HttpFetcher(client, limits).json(server.url, **request)


async def test_json_is_parsed():
    assert await ask(reply({"ok": True})) == {"ok": True}


async def test_payload_and_login_are_sent():
    async with serve(reply([])) as server, plain_client() as client:
        await HttpFetcher(client, LIMITS).json(server.url, auth=("ann", "secret"), payload=[{"id": 1}])
    assert server.requests[0].method == "POST"
    assert server.requests[0].login == "ann:secret"
    assert server.requests[0].body == b'[{"id":1}]'


@pytest.mark.parametrize("answer", [hang, drip])
async def test_a_server_that_hangs_or_drips_runs_into_the_time_out(answer):
    with pytest.raises(SourceUnreachable, match=r"within 0\.3 seconds"):
        await ask(answer, QUICK)


async def test_an_answer_without_an_end_is_cut_off():
    with pytest.raises(SourceNonsense, match="larger than 10000 bytes"):
        await ask(flood)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 5_000])
async def test_what_is_no_json_is_named_so(body):
    with pytest.raises(SourceNonsense, match="no JSON"):
        await ask(reply(body))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "password was refused"),
        (403, "password was refused"),
        (429, "less often"),
        (302, "redirects"),
        (500, "HTTP 500"),
        (503, "HTTP 503"),
    ],
)
async def test_a_status_that_says_no_is_explained(status, words):
    with pytest.raises(SourceRefused, match=words):
        await ask(reply({}, status, "Location: http://127.0.0.1:1/\r\n"))


@pytest.mark.parametrize("sent", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"])
async def test_a_broken_answer_counts_as_none(sent):
    with pytest.raises(SourceUnreachable, match="No connection"):
        await ask(raw(sent))


async def test_compressed_answers_are_refused_before_they_are_unpacked():
    with pytest.raises(SourceNonsense, match="compressed"):
        await ask(reply(b"\x1f\x8b", headers="Content-Encoding: gzip\r\n"))


async def test_a_closed_port_is_no_connection():
    async with plain_client() as client:
        with pytest.raises(SourceUnreachable, match="No connection"):
            await HttpFetcher(client, LIMITS).json(f"http://127.0.0.1:{steady_port()}/")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "nonsense", "", "http://[::1"])
async def test_an_address_that_cannot_be_asked_is_an_error_of_ours(url):
    async with plain_client() as client:
        with pytest.raises(SourceUnreachable):
            await HttpFetcher(client, LIMITS).json(url)


async def test_client_is_made_when_it_is_needed_once_and_closed():
    needed = ClientWhenNeeded()
    await needed.close()  # nobody needed it
    client = await needed.get()
    assert await needed.get() is client
    await needed.close()
    assert client.is_closed


async def test_what_a_client_is_made_from_is_loaded_beside_the_loop(monkeypatch):
    makers, make = [], http_client.make_client

    def noted(tls=None):
        makers.append(threading.current_thread())
        return make(tls)

    monkeypatch.setattr(http_client, "make_client", noted)
    await http_client.authorities()
    assert makers and threading.current_thread() not in makers


async def test_client_of_somebody_else_stays_open():
    async with plain_client() as client:
        needed = ClientWhenNeeded(client)
        assert await needed.get() is client
        await needed.close()
        assert not client.is_closed
