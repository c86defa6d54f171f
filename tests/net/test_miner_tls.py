"""TLS on the miners' side, over real sockets: served, refused, and its certificate replaced while it runs."""

import asyncio
import random
import shutil
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from proxy.config.snapshot import Endpoint
from proxy.engine.engine import Engine
from proxy.net import miner_tls
from proxy.net.clock import LoopClock
from proxy.net.listener import StratumListener
from proxy.net.miner_tls import MinerTls, server_context, tls_failure, valid_until, validity_problem
from proxy.net.tasks import spawn
from proxy.net.transport import InputBudget
from proxy.observe.events import EventStream, MinerDisconnected, MinerOtherProtocol
from proxy.ports import LinkHandler
from tests.support.patience import PATIENCE_S
from tests.support.tls import CERTIFICATE, KEY, write_certificate

SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["x/1"]}\n'


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders with a certificate and its key each."""
    made = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    for folder in made:
        write_certificate(folder, "localhost")
    return made


class NoDialer:
    """No pool is ever dialled."""

    def dial(self, endpoint: Endpoint, handler: LinkHandler) -> Callable[[], None]:
        raise AssertionError(endpoint)


class Proxy:
    """An engine without pools behind a TLS listener, and what it told."""

    def __init__(self, budget: InputBudget | None = None) -> None:
        self.loaded: list[str] = []
        self.refused: list[str] = []
        self.tls = MinerTls(on_loaded=lambda path, until: self.loaded.append(path), on_refused=self.refused.append)
        events = EventStream()
        self.protocols, self.ends = list[MinerOtherProtocol](), list[MinerDisconnected]()
        events.subscribe(MinerOtherProtocol, self.protocols.append)
        events.subscribe(MinerDisconnected, self.ends.append)
        self.engine = Engine(
            clock=LoopClock(asyncio.get_running_loop()),
            events=events,
            dialer=NoDialer(),
            random=random.Random(1),
            version="test",
        )
        self.listener = StratumListener(self.engine.connect, budget, self.tls)
        self.port = 0

    async def start(self, folder: Path) -> None:
        self.tls.configure(str(folder / CERTIFICATE), str(folder / KEY))
        await self.tls.refresh()
        _, self.port = await self.listener.start("127.0.0.1", 0)

    async def stop(self) -> None:
        await self.listener.stop()
        self.engine.close()

    async def told(self, fact: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not fact():
                await asyncio.sleep(0)


@pytest.fixture
async def proxy(folders: tuple[Path, Path]) -> AsyncIterator[Proxy]:
    made = Proxy()
    await made.start(folders[0])
    yield made
    await made.stop()


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def connected(
    port: int, context: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.open_connection("127.0.0.1", port, ssl=context or trusting())


async def line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await reader.readline()


def shown(writer: asyncio.StreamWriter) -> bytes:
    """The certificate that the peer showed."""
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return found


async def test_a_miner_is_served_with_tls(proxy: Proxy) -> None:
    reader, writer = await connected(proxy.port)
    for byte in SUBSCRIBE:
        writer.write(bytes([byte]))
    assert (await line(reader)).startswith(b'{"id":1,"result":[[')
    writer.close()
    await proxy.told(lambda: proxy.ends)
    assert len(proxy.loaded) == 1 and not proxy.refused


async def test_tls_1_2_is_spoken_and_nothing_older(proxy: Proxy) -> None:
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    reader, writer = await connected(proxy.port, context)
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.2"
    writer.write(SUBSCRIBE)
    assert await line(reader)
    writer.close()


async def test_what_the_proxy_says_last_arrives_before_it_closes(proxy: Proxy) -> None:
    reader, writer = await connected(proxy.port)
    writer.write(b'{"id":5,"method":"mining.submit","params":["a","b","c","d","e"]}\n')
    async with asyncio.timeout(PATIENCE_S):
        assert b"Not subscribed" in await reader.read()
    writer.close()


async def test_a_verdict_that_comes_while_the_connection_is_being_closed_harms_nobody(proxy: Proxy) -> None:
    reader, writer = await connected(proxy.port)
    writer.write(SUBSCRIBE)
    await line(reader)
    [session] = proxy.engine.sessions.values()
    session.downstream.close("it is asked to leave")
    session.downstream.accept(7)
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()


async def test_plain_stratum_on_the_tls_port_is_closed_and_told_once(proxy: Proxy) -> None:
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(SUBSCRIBE)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()
    await proxy.told(lambda: len(proxy.ends) == 3)
    assert [(event.protocol, "stratum+ssl://" in event.reason) for event in proxy.protocols] == [("plain", True)]
    assert {event.reason for event in proxy.ends} == {"it does not speak TLS"}


@pytest.mark.parametrize("after", [b"\x16\x03\x01\x00\x05junk!", b"\x16" * 70_000])
async def test_a_hello_that_is_none_ends_the_connection(proxy: Proxy, after: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(after)
    with suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            while await reader.read(1 << 16):
                pass
    await proxy.told(lambda: proxy.ends)
    assert proxy.ends[0].reason.startswith("TLS failed")
    writer.close()


async def test_a_miner_that_does_not_trust_the_certificate_is_told_of(proxy: Proxy) -> None:
    with pytest.raises(ssl.SSLError):
        await connected(proxy.port, ssl.create_default_context())
    await proxy.told(lambda: proxy.ends)
    assert "not trust the certificate" in proxy.ends[0].reason


async def test_who_says_nothing_holds_a_place_like_everybody_else(proxy: Proxy) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    await proxy.told(lambda: proxy.engine.sessions)
    writer.close()
    await proxy.told(lambda: not proxy.engine.sessions)


async def test_the_certificate_is_read_again_when_its_files_change(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for name in (CERTIFICATE, KEY):
        shutil.copy(folders[0] / name, tmp_path / name)
    proxy = Proxy()
    await proxy.start(tmp_path)
    _, before = await connected(proxy.port)
    first = shown(before)
    shutil.copy(folders[1] / CERTIFICATE, tmp_path / CERTIFICATE)
    await proxy.tls.refresh()
    await proxy.tls.refresh()  # the key does not fit yet: told once, and the old pair is used
    assert len(proxy.refused) == 1 and "is not that of the certificate" in proxy.refused[0]
    _, between = await connected(proxy.port)
    assert shown(between) == first
    shutil.copy(folders[1] / KEY, tmp_path / KEY)
    await proxy.tls.refresh()
    _, after = await connected(proxy.port)
    assert shown(after) != first
    assert len(proxy.loaded) == 2
    for writer in (before, between, after):
        writer.close()
    await proxy.stop()


async def test_a_certificate_that_was_being_read_does_not_replace_a_later_one(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy()
    await proxy.start(folders[0])
    reading, go_on = threading.Event(), threading.Event()

    def slow(certificate: str, key: str) -> ssl.SSLContext:
        if Path(certificate).parent == folders[0]:
            reading.set()
            assert go_on.wait(PATIENCE_S)
        return server_context(certificate, key)

    monkeypatch.setattr(miner_tls, "server_context", slow)
    (folders[0] / KEY).touch()
    earlier = spawn(proxy.tls.refresh(), name="earlier")
    await asyncio.to_thread(reading.wait, PATIENCE_S)
    proxy.tls.configure(str(folders[1] / CERTIFICATE), str(folders[1] / KEY))
    later = spawn(proxy.tls.refresh(), name="later")
    for _ in range(50):  # turns in which the later one would overtake
        await asyncio.sleep(0.002)
    go_on.set()
    await asyncio.gather(earlier, later)
    assert proxy.loaded[-1] == str(folders[1] / CERTIFICATE)
    _, writer = await connected(proxy.port)
    assert shown(writer) == ssl.PEM_cert_to_DER_cert((folders[1] / CERTIFICATE).read_text())
    writer.close()
    await proxy.stop()


async def test_a_miner_that_connects_has_the_files_looked_at(folders: tuple[Path, Path]) -> None:
    proxy = Proxy()
    await proxy.start(folders[0])
    proxy.tls.configure(str(folders[1] / CERTIFICATE), str(folders[1] / KEY))
    _, first = await connected(proxy.port)
    await proxy.told(lambda: len(proxy.loaded) == 2)
    _, second = await connected(proxy.port)
    assert shown(first) != shown(second)
    for writer in (first, second):
        writer.close()
    await proxy.stop()


async def test_without_a_certificate_miners_are_closed_and_the_operator_is_told(tmp_path: Path) -> None:
    proxy = Proxy()
    await proxy.start(tmp_path)
    assert len(proxy.refused) == 1 and "cannot be read" in proxy.refused[0]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await connected(proxy.port)
    await proxy.told(lambda: proxy.ends)
    assert proxy.ends[0].reason == "there is no certificate that can be used"
    await proxy.stop()


async def test_a_peer_over_its_budget_is_slowed_with_tls_too(folders: tuple[Path, Path]) -> None:
    proxy = Proxy(InputBudget(bytes_per_s=2_000.0, burst=1_000.0, lines_per_s=1_000.0))
    await proxy.start(folders[0])
    loop = asyncio.get_running_loop()
    reader, writer = await connected(proxy.port)
    began = loop.time()
    writer.write(b'{"id":1,"method":"mining.ping","params":[]}\n' * 90)
    for _ in range(90):
        assert await line(reader)
    assert loop.time() - began >= 0.4
    writer.close()
    await proxy.stop()


async def test_no_turn_of_the_loop_holds_more_than_one_handshake(proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    order: list[str] = []

    def broken() -> None:
        order.append("broken")
        raise ValueError("a bug")

    said: list[object] = []
    loop.set_exception_handler(lambda _, context: said.append(context))
    for step in (lambda: order.append("first"), broken, lambda: order.append("last")):
        proxy.tls.take_turn(step)
    for number in range(1, 4):
        await asyncio.sleep(0)
        assert len(order) == number
    assert order == ["first", "broken", "last"] and len(said) == 1


@pytest.mark.no_cover
async def test_many_miners_at_once_are_all_served(proxy: Proxy) -> None:
    async def one() -> bytes:
        reader, writer = await connected(proxy.port)
        writer.write(SUBSCRIBE)
        answer = await line(reader)
        writer.close()
        return answer

    answers = await asyncio.gather(*(one() for _ in range(30)))
    assert all(answer.startswith(b'{"id":1,') for answer in answers)


def test_files_that_cannot_be_used_are_explained(folders: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = folders
    with pytest.raises(OSError, match="is no certificate and key in PEM"):
        server_context(str(one / CERTIFICATE), "")
    with pytest.raises(OSError, match="is not that of the certificate"):
        server_context(str(one / CERTIFICATE), str(two / KEY))
    both = tmp_path / "both.pem"
    both.write_bytes((one / CERTIFICATE).read_bytes() + (one / KEY).read_bytes())
    assert server_context(str(both), "")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(OSError, match="is no certificate in PEM"):
        valid_until(str(tmp_path / "text"))


def test_a_key_with_a_password_is_explained(folders: tuple[Path, Path], tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as to

    key = to.load_pem_private_key((folders[0] / KEY).read_bytes(), None)
    secret = to.BestAvailableEncryption(b"secret")
    (tmp_path / KEY).write_bytes(key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, secret))
    with pytest.raises(OSError, match="is encrypted: it must have no password"):
        server_context(str(folders[0] / CERTIFICATE), str(tmp_path / KEY))


def test_a_certificate_is_valid_in_its_time_only(folders: tuple[Path, Path]) -> None:
    path, now = str(folders[0] / CERTIFICATE), datetime.now(UTC)
    assert validity_problem(path) == ""
    assert "expired on" in validity_problem(path, now + timedelta(days=3))
    assert "valid only from" in validity_problem(path, now - timedelta(days=3))


def test_failures_are_named() -> None:
    assert tls_failure(ssl.SSLError(1, "odd")).startswith("TLS failed (")
    assert tls_failure(ssl.SSLError(1, "TLSV1_ALERT_UNKNOWN_CA")).startswith("the miner does not trust the certificate")
