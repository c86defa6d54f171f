"""A message for a browser: encrypted for it (RFC 8291, RFC 8188) and signed by us (RFC 8292, VAPID).

Keys, salt and time are handed in. Loaded with the first message to a browser.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.errors import DPMPError

MAX_ENDPOINT = 1000
MAX_PAYLOAD = 3000
"""Bytes; a push service need not take more than 4096 with all that encryption adds (RFC 8030, section 7.2)."""
JWT_S = 12 * 3600
"""How long a signature is valid; at most a day (RFC 8292, section 2)."""
POINT_BYTES, AUTH_BYTES, KEY_BYTES = 65, 16, 32
_RECORD_BYTES = 4096
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")


class BadSubscription(DPMPError):
    """What a browser gave as its subscription cannot be one; the text says why, without the address."""


def b64(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of base64url with or without padding.

    Raises:
        BadSubscription: it is none.
    """
    text = text.rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise BadSubscription("A key is not in base64url.")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check_endpoint(url: str, *, any_port: bool = False) -> tuple[str, int]:
    """Host and port of a push service. The address comes from a browser: it is https, with a name, no password.

    Raises:
        BadSubscription: it could not be the address of a push service.
    """
    if len(url) > MAX_ENDPOINT or not re.fullmatch(r"[!-~]+", url):
        raise BadSubscription("The address is too long or has characters that no address has.")
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise BadSubscription("The address is none.") from error
    if parts.scheme != "https" or "@" in parts.netloc or "\\" in url or parts.fragment:
        raise BadSubscription("The address is not an https address without user and password.")
    host = (parts.hostname or "").rstrip(".")
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise BadSubscription("The address has no host name, as a push service has.")
    if port != 443 and not any_port:
        raise BadSubscription("The address has another port than 443.")
    return host, port


def check_keys(p256dh: str, auth: str) -> tuple[bytes, bytes]:
    """The browser's public key, a point on P-256, and its secret.

    Raises:
        BadSubscription: they are none.
    """
    point, secret = unb64(p256dh), unb64(auth)
    if len(point) != POINT_BYTES or len(secret) != AUTH_BYTES:
        raise BadSubscription("A key has the wrong length.")
    _public_key(point)
    return point, secret


def private_key(raw: bytes) -> ec.EllipticCurvePrivateKey:
    """The key pair of a private value of 32 bytes."""
    return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())


def private_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private value of a key pair, as ``private_key`` takes it."""
    return key.private_numbers().private_value.to_bytes(KEY_BYTES, "big")


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key of a pair, as browsers take it."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encrypt(text: bytes, *, receiver: bytes, auth: bytes, sender: ec.EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """``text`` in one record of aes128gcm for the browser whose point and secret are given.

    ``sender`` and ``salt`` are used for this message alone.
    """
    own = point_of(sender)
    shared = sender.exchange(ec.ECDH(), _public_key(receiver))
    seed = _derived(auth, shared, b"WebPush: info\0" + receiver + own, 32)
    key = _derived(salt, seed, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(salt, seed, b"Content-Encoding: nonce\0", 12)
    header = salt + _RECORD_BYTES.to_bytes(4, "big") + bytes([len(own)]) + own
    return header + AESGCM(key).encrypt(nonce, text + b"\x02", None)


def authorization(key: ec.EllipticCurvePrivateKey, origin: str, subject: str, now: float) -> str:
    """The header by which a push service knows that a message is from whom its browser subscribed to.

    ``origin``: of the push service; ``subject``: where its operator finds us; ``now``: unix seconds.
    """
    claims = {"aud": origin, "exp": int(now) + JWT_S, "sub": subject}
    signed = ".".join(b64(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = b64(r.to_bytes(KEY_BYTES, "big") + s.to_bytes(KEY_BYTES, "big"))
    return f"vapid t={signed}.{signature}, k={b64(point_of(key))}"


def payload(*, title: str, body: str, tag: str, page: str, level: str) -> bytes:
    """What the service worker is told, cut to ``MAX_PAYLOAD``. ``page``: what a press on it opens, below ours."""
    said = {"title": title[:250], "body": body, "tag": tag, "page": page, "level": level}
    while len(made := json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")) > MAX_PAYLOAD:
        said["body"] = said["body"][: len(said["body"]) * 3 // 4]
    return made


def _public_key(point: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise BadSubscription("A key is no point on the curve P-256.") from error


def _derived(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)
