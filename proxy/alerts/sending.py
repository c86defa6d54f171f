"""One message to one address, through Apprise. Blocks for as long as the service takes, some 30 s at most."""

import logging
import re
import threading

from proxy.alerts import AlertLevel

MAX_PROBLEM_CHARS = 300
SECRET_CHARS = 4
"""Parts of an address this long are kept out of what is told about a failure."""

_TYPES = {AlertLevel.BAD: "failure", AlertLevel.GOOD: "success", AlertLevel.INFO: "info"}
_STAMP = re.compile(r"^\S+ \S+ - [A-Z]+ - ")
_one_at_a_time = threading.Lock()  # Apprise's log, where it says what went wrong, is one for the process


def send(url: str, title: str, body: str, level: AlertLevel = AlertLevel.INFO) -> str:
    """Send; empty when it was taken, else what went wrong, without what is secret in ``url``."""
    from apprise import Apprise, AppriseAsset, LogCapture, NotifyFormat  # costs time and memory: only who tells pays

    asset = AppriseAsset(app_id="DPMP", app_desc="DPMP mining proxy", async_mode=False, secure_logging=True)
    apprise = Apprise(asset=asset)
    with _one_at_a_time, LogCapture(level=logging.WARNING) as said:  # type: ignore[no-untyped-call]
        if not apprise.add(url):
            return "Apprise does not understand the address."
        try:
            taken = apprise.notify(title=title, body=body, notify_type=_TYPES[level], body_format=NotifyFormat.TEXT)
        except Exception as error:  # a plugin's own fault must not end the alerts
            return scrub(f"{type(error).__name__}: {error}", url)
        return "" if taken else scrub(_last_line(said.getvalue()), url)


def send_test(url: str) -> str:
    """Send a message that says it is a test; as ``send``."""
    return send(url, "DPMP: test", "This is a test. Alerts of DPMP will come this way.")


def _last_line(log: str) -> str:
    lines = [_STAMP.sub("", line).strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else "The service did not take the message."


def scrub(text: str, url: str) -> str:
    """``text`` without any part of ``url`` but its scheme, host and port."""
    _, _, rest = url.partition("://")
    credentials, _, place = rest.rpartition("@")
    host, _, path = place.partition("/")
    parts = re.split(r"[/:@?&=#]", f"{credentials}/{path}")
    for part in sorted({part for part in parts if len(part) >= SECRET_CHARS and part not in host}, key=len)[::-1]:
        text = text.replace(part, "***")
    return " ".join(text.split())[:MAX_PROBLEM_CHARS]
