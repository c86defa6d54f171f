"""A real OpenID Connect provider (oidc-provider-mock) on the loopback, that insists on PKCE and can misbehave."""

import base64
import hashlib
import html
import io
import json
import logging
import re
from contextlib import contextmanager
from threading import Thread
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import oidc_provider_mock
from werkzeug.serving import make_server

TOKEN, USERINFO, KEYS, DISCOVERY = "/oauth2/token", "/userinfo", "/jwks", "/.well-known/openid-configuration"
PLAIN = {"trust_env": False, "verify": False}
"""It speaks plain HTTP: loading whom everybody trusts would take 40 ms each time."""


class IdentityProviderServer:
    """``asked`` has every request; ``answers`` replaces the JSON that a path answers, by a function of it."""

    def __init__(self):
        self.asked, self.answers, self._challenges = [], {}, {}
        self._app = oidc_provider_mock.app(require_nonce=True)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server("localhost", 0, self._serve, threaded=True)
        self.issuer = f"http://localhost:{self._server.server_port}"

    def _serve(self, environ, start_response):
        path = environ["PATH_INFO"]
        self.asked.append(path)
        if path == TOKEN and not self._knows_verifier(environ):
            start_response("400 Bad Request", [("Content-Type", "application/json")])
            return [b'{"error": "invalid_grant"}']
        begun = {}

        def begin(status, headers, *more):
            begun.update(status=status, headers=headers)
            return lambda _body: None

        body = b"".join(self._app(environ, begin))
        self._remember_challenge(environ, dict(begun["headers"]).get("Location", ""))
        if path in self.answers:
            body = self.answers[path](json.loads(body))
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = [(name, text) for name, text in begun["headers"] if name.lower() != "content-length"]
        start_response(begun["status"], [*headers, ("Content-Length", str(len(body)))])
        return [body]

    def _remember_challenge(self, environ, location):
        asked, answered = (dict(parse_qsl(text)) for text in (environ["QUERY_STRING"], urlsplit(location).query))
        if "code" in answered:
            assert asked.get("code_challenge_method") == "S256"
            self._challenges[answered["code"]] = asked["code_challenge"]

    def _knows_verifier(self, environ):
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        said = dict(parse_qsl(body.decode()))
        digest = hashlib.sha256(said.get("code_verifier", "").encode()).digest()
        known = self._challenges.pop(said.get("code", ""), "")
        return known == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @contextmanager
    def running(self):
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def knows(self, sub, **claims):
        """Somebody with an account there."""
        httpx.put(f"{self.issuer}/users/{sub}", json=claims, **PLAIN).raise_for_status()

    def log_in(self, address, sub, *, action="authorize"):
        """What a person does at the provider; where it sends the browser."""
        answer = httpx.post(address, data={"sub": sub, "action": action}, **PLAIN)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]


def address_in(page):
    """Where the page sends the browser."""
    return html.unescape(re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.content.decode())[1])


def query_of(address):
    """The parameters of an address, each once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
