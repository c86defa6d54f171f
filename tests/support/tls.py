"""A certificate of its own for a test's server."""

import ssl
import subprocess
from pathlib import Path

KEY, CERTIFICATE = "privkey.pem", "fullchain.pem"
"""Names as Let's Encrypt has them."""


def write_certificate(folder: Path, name: str) -> None:
    """Write a self-signed certificate for ``name``, and its key, into ``folder``."""
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    files = ["-keyout", str(folder / KEY), "-out", str(folder / CERTIFICATE)]
    subprocess.run([*request, *names, *files], check=True, capture_output=True)


def server_context(folder: Path, name: str) -> ssl.SSLContext:
    """For a server that calls itself ``name``."""
    write_certificate(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    return context
