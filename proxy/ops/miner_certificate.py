"""Checks the certificate that miners are to be shown. Blocking."""

from datetime import UTC, datetime

from proxy.net.miner_tls import server_context, valid_until, validity_problem


def certificate_problem(certificate: str, key: str) -> str:
    """Why the files cannot be used for TLS now, as seen by this process; "" if they can."""
    try:
        server_context(certificate, key)
        return validity_problem(certificate)
    except OSError as error:
        return str(error)


def days_left(certificate: str) -> float:
    """Days until it expires; raises OSError where it cannot be read."""
    return (valid_until(certificate) - datetime.now(UTC)).total_seconds() / 86_400.0
