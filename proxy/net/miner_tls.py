"""TLS for miners: the certificate, which is read again when its files change, and handshakes one at a time.

The handshake is done by ``ssl`` over memory, not by the event loop: so limits come before any of its work, a peer that
speaks plain Stratum is recognised, and no turn of the loop holds more than one handshake, however many peers ask.
"""

import asyncio
import os
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from proxy.net.tasks import spawn

LOOK_S = 3.0
"""How long a miner that connects may find the certificate as it was before its files changed."""
MAX_HELLO = 65_536
"""Bytes that a peer may send before its handshake is complete."""
READ = 65_536
HANDSHAKE_RECORD = b"\x16"
"""The first byte of TLS (RFC 8446, 5.1)."""


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Read a certificate (with its chain) and its key, both PEM; ``key`` empty: it is in the certificate's file.

    Blocks. Raises:
        OSError: with a sentence that says what is wrong.
    """
    for path in filter(None, (certificate, key)):
        try:
            encrypted = b"ENCRYPTED" in Path(path).read_bytes()
        except OSError as error:
            raise OSError(f"{path} cannot be read: {error.strerror or error}") from error
        if encrypted:
            raise OSError(f"the key in {path} is encrypted: it must have no password")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate, key or None)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise OSError(f"the key in {key or certificate} is not that of the certificate in {certificate}") from error
        files = f"{certificate} and {key} are" if key else f"{certificate} is"
        raise OSError(f"{files} no certificate and key in PEM") from error
    return context


def valid_until(certificate: str) -> datetime:
    """When the first certificate of a file expires. Blocks.

    Raises:
        OSError: it cannot be read, or is no certificate.
    """
    return _read(certificate).not_valid_after_utc


def validity_problem(certificate: str, now: datetime | None = None) -> str:
    """Why the certificate is not valid now; "" if it is. Blocks; raises as ``valid_until``."""
    read, now = _read(certificate), now or datetime.now(UTC)
    if now > read.not_valid_after_utc:
        return f"the certificate in {certificate} expired on {read.not_valid_after_utc:%Y-%m-%d}"
    if now < read.not_valid_before_utc:
        return f"the certificate in {certificate} is valid only from {read.not_valid_before_utc:%Y-%m-%d} on"
    return ""


def _read(certificate: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(Path(certificate).read_bytes())
    except ValueError as error:
        raise OSError(f"{certificate} is no certificate in PEM") from error


class MinerTls:
    """The certificate that miners are shown, and the turns in which their handshakes are worked on."""

    def __init__(
        self,
        *,
        on_loaded: Callable[[str, datetime], None],
        on_refused: Callable[[str], None],
        turns: "deque[Callable[[], None]] | None" = None,
    ) -> None:
        """``on_loaded(certificate, valid until)`` after each change, ``on_refused(problem)`` once for each problem: the
        one before stays in use then, if there was one. ``turns``: handshakes of other certificates wait in it, too."""
        self.context: ssl.SSLContext | None = None
        self._on_loaded = on_loaded
        self._on_refused = on_refused
        self._files = ("", "")
        self._stamp: object = None
        self._problem = ""
        self._looked_at = -LOOK_S
        self._looking: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        self._waiting: deque[Callable[[], None]] = deque() if turns is None else turns

    def configure(self, certificate: str, key: str) -> None:
        """Use these files from now on."""
        if (certificate, key) != self._files:
            self._files, self._stamp = (certificate, key), None
            self._looked_at = -LOOK_S

    def look(self) -> None:
        """See soon whether the files have changed, unless that was done in the last seconds."""
        now = asyncio.get_running_loop().time()
        if now >= self._looked_at + LOOK_S and (self._looking is None or self._looking.done()):
            self._looked_at = now
            self._looking = spawn(self.refresh(), name="certificate for miners")

    async def refresh(self) -> None:
        """Read the files if they have changed.

        One at a time: of two that read at once the earlier could end last, with a certificate that is no longer wanted.
        """
        async with self._reading:
            files = self._files
            stamp = await asyncio.to_thread(_stamp, files)
            if files[0] and (stamp, files) != self._stamp:
                self._stamp = (stamp, files)
                await self._read(files)

    async def _read(self, files: tuple[str, str]) -> None:
        try:
            context = await asyncio.to_thread(server_context, *files)
            until = await asyncio.to_thread(valid_until, files[0])
        except OSError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                self._on_refused(self._problem)
            return
        self.context, self._problem = context, ""
        self._on_loaded(files[0], until)

    def take_turn(self, step: Callable[[], None]) -> None:
        """Call ``step`` in a turn of the loop of its own, after those that wait already."""
        self._waiting.append(step)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        try:
            self._waiting[0]()
        finally:
            self._waiting.popleft()
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._run)


def _stamp(files: tuple[str, str]) -> list[tuple[int, int, int]]:
    found = []
    for path in filter(None, files):
        try:
            status = os.stat(path)
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError:
            found.append((0, 0, 0))
    return found


class TlsStream:
    """One connection's TLS over memory: bytes of the network on one side, plain ones on the other."""

    __slots__ = ("_from_peer", "_object", "_to_peer", "ended", "fed", "ready")

    def __init__(self, context: ssl.SSLContext) -> None:
        self.ready = False
        """Whether the handshake is complete."""
        self.ended = False
        """Whether the peer has said that nothing follows."""
        self.fed = 0
        self._from_peer, self._to_peer = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._from_peer, self._to_peer, server_side=True)

    def feed(self, octets: bytes) -> None:
        """Take what the network brought."""
        self.fed += len(octets)
        self._from_peer.write(octets)

    def shake(self) -> bool:
        """Go on with the handshake as far as it goes; returns ``ready``.

        Raises:
            ssl.SSLError: it has failed.
        """
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.ready = True
        return True

    def read(self) -> bytes:
        """Return what can be decrypted.

        Raises:
            ssl.SSLError: the peer broke the protocol, or refused the certificate (in TLS 1.3 after the handshake).
        """
        pieces = []
        try:
            while piece := self._object.read(READ):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b"".join(pieces)

    def write(self, plain: bytes) -> bytes:
        """Encrypt; returns what the network is given."""
        self._object.write(plain)
        return self._to_peer.read()

    def pending(self) -> bytes:
        """What the network is to be given beside that."""
        return self._to_peer.read()

    def farewell(self) -> bytes:
        """Say that nothing follows; returns what the network is given."""
        with suppress(ssl.SSLError):  # the peer has not said so yet: nobody waits for it
            self._object.unwrap()
        return self._to_peer.read()


def tls_failure(error: ssl.SSLError) -> str:
    """Why a connection ended, for the log."""
    reason = getattr(error, "reason", None) or str(error)
    if any(word in reason for word in ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED")):
        return f"the miner does not trust the certificate ({reason})"
    return f"TLS failed ({reason})"
