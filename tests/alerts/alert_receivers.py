"""Servers that alerts are delivered to in tests: a webhook and a mail server, both on the loopback."""

import json
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from aiosmtpd.controller import Controller


class Webhook:
    """A JSON webhook; answers 500 while ``failing``."""

    def __init__(self):
        self.received, self.failing = [], False
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if not owner.failing:
                    owner.received.append(json.loads(body))
                self.send_response(500 if owner.failing else 200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self._server.server_address[1]}/hook"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *args):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class AnyPort(Controller):
    """On a free port; aiosmtpd connects to the port that was asked for, which is 0."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Mailbox:
    """An SMTP server that keeps what it is sent; takes nothing while ``failing``."""

    def __init__(self):
        self.received, self.failing = [], False
        self._controller = AnyPort(self, hostname="127.0.0.1", port=0)

    async def handle_DATA(self, server, session, envelope):
        if self.failing:
            return "451 not now"
        self.received.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"

    def __enter__(self):
        self._controller.start()
        self.url = f"mailto://127.0.0.1:{self._controller.port}/?from=dpmp@example.org&to=me@example.org&mode=insecure"
        return self

    def __exit__(self, *args):
        self._controller.stop()
