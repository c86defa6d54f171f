"""A browser and its push service, written from RFC 8188, 8291, 8292 and 8030 alone: nothing of ours is imported."""

import base64
import hashlib
import hmac
import json
import os
import ssl
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CURVE = ec.SECP256R1()


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _hmac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


class Browser:
    """Has a subscription's keys and reads what is pushed to it, by the steps of RFC 8291, section 3.4."""

    def __init__(self, private=None, auth=None):
        value = int.from_bytes(private, "big") if private else None
        self._key = ec.derive_private_key(value, CURVE) if value else ec.generate_private_key(CURVE)
        self.auth_bytes = auth or os.urandom(16)
        self.point = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.p256dh, self.auth = encoded(self.point), encoded(self.auth_bytes)

    def read(self, body):
        salt, size, named = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + named], body[21 + named :]
        if named != 65 or not 18 <= len(record) <= size:
            raise ValueError("no single record of aes128gcm")
        secret = self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender))
        combined = _hmac(self.auth_bytes, secret)
        seed = _hmac(combined, b"WebPush: info\x00" + self.point + sender + b"\x01")
        early = _hmac(salt, seed)
        key = _hmac(early, b"Content-Encoding: aes128gcm\x00\x01")[:16]
        nonce = _hmac(early, b"Content-Encoding: nonce\x00\x01")[:12]
        reader = Cipher(algorithms.AES(key), modes.GCM(nonce, record[-16:])).decryptor()
        try:
            padded = reader.update(record[:-16]) + reader.finalize()
        except InvalidTag as error:
            raise ValueError("cannot be decrypted") from error
        text = padded.rstrip(b"\x00")
        if text[-1:] != b"\x02":
            raise ValueError("not the last record")
        return text[:-1]


def read_vapid(header):
    """The claims of an ``Authorization: vapid`` header and the public key that it is signed with."""
    scheme, _, rest = header.partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    if scheme != "vapid" or set(fields) != {"t", "k"}:
        raise ValueError("not the scheme of RFC 8292")
    signed, _, signature = fields["t"].rpartition(".")
    head, claims = (json.loads(decoded(part)) for part in signed.split("."))
    point, raw = decoded(fields["k"]), decoded(signature)
    if head != {"typ": "JWT", "alg": "ES256"} or len(raw) != 64:
        raise ValueError("not signed as RFC 8292 wants it")
    halves = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point).verify(
            halves, signed.encode(), ec.ECDSA(hashes.SHA256())
        )
    except InvalidSignature as error:
        raise ValueError("the signature is of another key") from error
    return claims, point


@dataclass
class Pushed:
    """One message that the service took."""

    path: str
    headers: dict
    claims: dict
    point: bytes
    body: bytes = field(repr=False)


class PushService:
    """Takes messages over TLS on the loopback as RFC 8030 says; what breaks a rule of VAPID gets 403 or 400.

    ``status``: what it answers instead; ``silent``: it says nothing at all, byte after byte.
    """

    def __init__(self, cert, key, name="push.example.org"):
        self.taken, self.refused, self.status, self.drip = [], [], 0, False
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = owner.status or owner.check(self, body)
                if owner.drip:
                    return self.dripped()
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "https://127.0.0.1/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def dripped(self):
                self.close_connection = True
                try:
                    while owner.drip:
                        self.wfile.write(b"H")
                        time.sleep(0.05)
                except OSError:
                    return

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda request, address: None  # a client that trusts us not is part of a test
        self.port = self._server.server_address[1]
        self.origin = f"https://{name}:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def check(self, request, body):
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            claims, point = read_vapid(headers["authorization"])
            assert headers["host"] == self.origin.removeprefix("https://"), "host"
            assert claims["aud"] == self.origin, "aud"
            assert time.time() < claims["exp"] <= time.time() + 86400, "exp"
            assert claims["sub"].startswith(("https://", "mailto:")), "sub"
            assert headers["content-encoding"] == "aes128gcm" and int(headers["ttl"]) >= 0, "headers"
            assert headers["urgency"] in ("very-low", "low", "normal", "high"), "urgency"
            assert len(headers.get("topic", "")) <= 32 and len(body) <= 4096, "size"
        except (ValueError, KeyError, AssertionError) as error:
            self.refused.append(repr(error))
            return 403
        self.taken.append(Pushed(request.path, headers, claims, point, body))
        return 201

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *args):
        self.drip = False
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
