"""The connection test against what is no pool, or means harm."""

import asyncio
import socket
from datetime import timedelta

import orjson
import pytest

from proxy.config.snapshot import Tls
from proxy.net.tasks import spawn
from proxy.ops import check_pool_probe as checkpool_probe
from proxy.ops.check_pool import check
from proxy.simulator.pool import GARBAGE
from tests.ops.checkpool_cast import (
    OTHER_WALLET,
    pool_config,
    said,
    self_made,
    server_that,
    sim_pool,
    tls_front,
    verdicts,
)
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port


@pytest.fixture(autouse=True)
def fresh_authorities() -> None:
    """The authorities trusted are loaded once in a process; here they change from test to test."""
    checkpool_probe.dialer.cache_clear()


async def read_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def test_a_closed_port_is_not_reachable() -> None:
    report = await check(pool_config(steady_port()), timeout_s=PATIENCE_S)
    assert not report.ok
    assert [label for label, _, _ in report.lines] == ["Address", "Reachable"]
    assert report.problem.startswith("Reachable: No: nothing accepts connections there")


async def test_an_unknown_name_is_told(monkeypatch) -> None:
    async def unknown(*args, **settings):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    for tls in (Tls.OFF, Tls.VERIFY):
        report = await check(pool_config(3333, host="pool.invalid", tls=tls), timeout_s=PATIENCE_S)
        assert report.problem == "Reachable: No: the name pool.invalid is not known: Name or service not known."
        assert len(report.lines) == 2


async def test_a_name_without_any_name_service_is_told() -> None:
    report = await check(pool_config(3333, host="pool.invalid"), timeout_s=PATIENCE_S)
    assert report.problem.startswith("Reachable: No: ")


async def test_garbage_ends_in_a_line_and_what_was_wrong_is_told() -> None:
    async def serve(reader, writer) -> None:
        await reader.readline()
        writer.write(b"\n".join(GARBAGE[:8] * 3) + b"\n")
        await read_on(reader, writer)

    async with server_that(serve) as port:
        report = await check(pool_config(port), timeout_s=PATIENCE_S)
    assert report.problem == "Subscribe: No: 20 malformed messages in a row."
    assert 0 < len([label for label, _, _ in report.lines if label == "The pool said"]) <= 5


async def test_an_http_server_is_no_pool() -> None:
    async def serve(reader, writer) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async with server_that(serve) as port:
        report = await check(pool_config(port), timeout_s=PATIENCE_S)
    assert verdicts(report)["Subscribe"] is False


async def test_a_flood_is_cut_off(monkeypatch) -> None:
    monkeypatch.setattr(checkpool_probe, "MAX_BYTES", 1 << 18)
    line = orjson.dumps({"id": None, "method": "client.show_message", "params": ["x" * 4000]}) + b"\n"

    async def serve(reader, writer) -> None:
        while True:
            writer.write(line)
            await writer.drain()

    async with server_that(serve) as port:
        async with asyncio.timeout(PATIENCE_S):
            report = await check(pool_config(port), timeout_s=2 * PATIENCE_S)
    assert report.problem.startswith("Subscribe: No: sent ")
    assert all(len(text) <= 300 for _, text, _ in report.lines)


async def test_what_a_pool_says_is_one_short_line() -> None:
    async with sim_pool(authorize_delay_s=0.1) as pool:
        waiting = spawn(check(pool_config(pool.port), timeout_s=PATIENCE_S), name="check")
        await pool.until(lambda pool: bool(pool.sessions), PATIENCE_S)
        for _ in range(50):
            pool.show_message("new\x1b[31m\nline" + "!" * 1000)
        pool.reconnect("evil.example", 3333)
        report = await waiting
    assert report.ok
    remarks = [text for label, text, _ in report.lines if label == "The pool said"]
    assert remarks[0].startswith("client.show_message: new [31m line!") and len(remarks[0]) <= 200
    assert len(remarks) == 2 and "evil.example 3333" in remarks[1]


async def test_a_coinbase_of_nonsense_is_told() -> None:
    replies = {
        "mining.configure": [{"id": 1, "result": {}, "error": None}],
        "mining.subscribe": [{"id": 2, "result": [[], "0a0b", 4], "error": None}],
        "mining.authorize": [
            {"id": 3, "result": True, "error": None},
            {
                "id": None,
                "method": "mining.notify",
                "params": ["1", "00" * 32, "01" * 42, "02" * 40, [], "20000000", "ffffffff", "6b02d404", True],
            },
        ],
    }

    async def serve(reader, writer) -> None:
        while line := await reader.readline():
            for reply in replies.get(orjson.loads(line)["method"], []):
                writer.write(orjson.dumps(reply) + b"\n")

    async with server_that(serve) as port:
        report = await check(pool_config(port), timeout_s=PATIENCE_S)
        solo = await check(pool_config(port, solo=True), timeout_s=PATIENCE_S)
    assert report.ok and said(report)["Pays"].startswith("The job's coinbase cannot be read: ")
    assert said(report)["Difficulty"] == "none sent, so 1 applies, as Stratum defines it"
    assert not solo.ok


async def test_nothing_is_left_behind_when_the_check_is_given_up() -> None:
    async with server_that(read_on) as port:
        for tls in (Tls.OFF, Tls.VERIFY):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await check(pool_config(port, tls=tls), timeout_s=2 * PATIENCE_S)
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("dial")]


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("serve", [read_on, None], ids=["silent", "closes"])
async def test_tls_spoken_to_a_plain_port_is_explained(serve) -> None:
    async def hang_up(reader, writer) -> None:
        await reader.read(1)

    async with server_that(serve or hang_up) as port:
        report = await check(pool_config(port, tls=Tls.VERIFY), timeout_s=2)
    assert verdicts(report)["Reachable"] is True
    assert report.problem.startswith("TLS: No: the port takes connections but does not speak TLS.")
    assert "Subscribe" not in said(report)


async def test_a_plain_pool_that_answers_tls_with_stratum_is_explained() -> None:
    async with sim_pool() as pool:
        report = await check(pool_config(pool.port, tls=Tls.INSECURE), timeout_s=3)
    assert "does not speak TLS" in report.problem


async def test_plain_spoken_to_a_tls_port_that_hangs_up_is_explained(tmp_path) -> None:
    async with sim_pool() as pool, tls_front(pool, self_made(tmp_path, "127.0.0.1")) as port:
        report = await check(pool_config(port), timeout_s=PATIENCE_S)
    assert report.problem.endswith("without any reply. Is this a Stratum port, and one without TLS?")


async def test_plain_spoken_to_a_tls_port_that_complains_is_explained() -> None:
    async def alert(reader, writer) -> None:
        await reader.readline()
        writer.write(b"\x15\x03\x01\x00\x02\x02\x46")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with server_that(alert) as port:
        report = await check(pool_config(port), timeout_s=PATIENCE_S)
    assert report.problem == "Subscribe: No: this port wants TLS. Switch TLS on, or use the pool's plain port."


async def test_a_self_made_certificate_is_refused_and_shown(tmp_path) -> None:
    async with sim_pool() as pool, tls_front(pool, self_made(tmp_path, "127.0.0.1")) as port:
        report = await check(pool_config(port, tls=Tls.VERIFY), timeout_s=PATIENCE_S)
    assert report.problem.startswith("TLS: The certificate is self-signed")
    assert said(report)["Certificate"].startswith("CN=127.0.0.1, for 127.0.0.1, valid until 20")
    assert pool.received["mining.authorize"] == 0


async def test_without_a_check_any_certificate_will_do(tmp_path) -> None:
    async with sim_pool() as pool, tls_front(pool, self_made(tmp_path, "elsewhere.example")) as port:
        report = await check(pool_config(port, tls=Tls.INSECURE, wallet=OTHER_WALLET), timeout_s=PATIENCE_S)
    assert report.ok
    assert said(report)["TLS"] == "TLSv1.3, certificate not checked"
    assert said(report)["Address"].endswith("with TLS, certificate not checked")


async def test_an_accepted_certificate_is_told_and_its_end_too(tmp_path, monkeypatch) -> None:
    context = self_made(tmp_path, "127.0.0.1", valid_for=timedelta(days=5, hours=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "made.pem"))
    async with sim_pool() as pool, tls_front(pool, context) as port:
        report = await check(pool_config(port, tls=Tls.VERIFY), timeout_s=PATIENCE_S)
    assert report.ok, report.problem
    assert said(report)["TLS"] == "TLSv1.3, certificate accepted"
    assert said(report)["Certificate"].endswith("It expires in 5 days.")


async def test_a_certificate_of_another_host_is_explained(tmp_path, monkeypatch) -> None:
    context = self_made(tmp_path, "eu.pool.example", "us.pool.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "made.pem"))
    async with sim_pool() as pool, tls_front(pool, context) as port:
        report = await check(pool_config(port, tls=Tls.VERIFY), timeout_s=PATIENCE_S)
    assert report.problem.startswith(
        "TLS: The certificate is of another host: it is made out to eu.pool.example, us.pool.example, not to 127.0.0.1."
    )


async def test_an_expired_certificate_is_explained(tmp_path, monkeypatch) -> None:
    context = self_made(tmp_path, "127.0.0.1", valid_for=-timedelta(days=2))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "made.pem"))
    async with sim_pool() as pool, tls_front(pool, context) as port:
        report = await check(pool_config(port, tls=Tls.VERIFY), timeout_s=PATIENCE_S)
    assert report.problem.startswith("TLS: The certificate expired on 20")
