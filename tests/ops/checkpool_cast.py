"""What the connection test meets: simulated pools, servers that speak no Stratum, and certificates made on the spot."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxy.config.snapshot import Endpoint, PoolConfig, Tls
from proxy.ops.check_pool import CheckReport
from proxy.simulator.chain import SimChain
from proxy.simulator.pool import SimPool
from proxy.types import Chain, PoolKey

WALLET = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
"""What a test pool pays."""
OTHER_WALLET = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
HASHES_PER_DIFFICULTY = 2**8

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def pool_config(*ports: int, host: str = "127.0.0.1", tls: Tls = Tls.OFF, **fields: Any) -> PoolConfig:
    endpoints = tuple(Endpoint(host=host, port=port, tls=tls) for port in ports)
    return PoolConfig(
        key=PoolKey("A"), endpoints=endpoints, **({"chain": Chain.BTC, "wallet": WALLET, "password": "x"} | fields)
    )


def said(report: CheckReport) -> dict[str, str]:
    """Label -> text of a test of one address."""
    return {label: text for label, text, _ in report.lines}


def verdicts(report: CheckReport) -> dict[str, bool | None]:
    """Label -> ok."""
    return {label: ok for label, _, ok in report.lines}


@asynccontextmanager
async def sim_pool(**settings: Any) -> AsyncIterator[SimPool]:
    chain = SimChain(hashes_per_difficulty=HASHES_PER_DIFFICULTY, network_difficulty=1e9, seed=3)
    pool = SimPool(**({"chain": chain} | settings))
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


@asynccontextmanager
async def tls_front(pool: SimPool, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A port with TLS before ``pool``."""
    server = await asyncio.get_running_loop().create_server(pool._session, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def server_that(serve: Serve) -> AsyncIterator[int]:
    """A port where each connection is treated by ``serve``, then closed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def self_made(folder: Path, *names: str, valid_for: timedelta = timedelta(days=90)) -> ssl.SSLContext:
    """A server's context with a certificate of its own making for ``names`` (also written to folder/made.pem)."""
    key = ec.generate_private_key(ec.SECP256R1())
    end = datetime.now(UTC) + valid_for
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    shown = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(end - timedelta(days=100))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "made.pem"
    path.write_bytes(shown.public_bytes(serialization.Encoding.PEM))
    both = folder / "both.pem"
    both.write_bytes(
        path.read_bytes()
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
