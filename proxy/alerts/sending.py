"""One message to one address, through Apprise. Blocks for as long as the service takes, some 30 s at most."""

import logging
import re
import threading

from proxy.alerts.rules import AlertLevel
from proxy.alerts.texts import TEST_TEXT, TEST_TITLE
from proxy.models.alerts import is_browser

MAX_PROBLEM_CHARS = 300
SECRET_CHARS = 4
"""Parts of an address at least this long are removed from error texts."""

_TYPES = {AlertLevel.BAD: "failure", AlertLevel.GOOD: "success", AlertLevel.INFO: "info"}
_STAMP = re.compile(r"^\S+ \S+ - [A-Z]+ - ")
_one_at_a_time = threading.Lock()  # Apprise reports errors only in its log, which is one for the process


def send(url: str, title: str, body: str, level: AlertLevel = AlertLevel.INFO) -> str:
    """Send a message. Returns "" when it was accepted, else what went wrong, without the secrets of ``url``."""
    from apprise import (  # costs time and memory: imported only when needed
        Apprise,
        AppriseAsset,
        LogCapture,
        NotifyFormat,
    )

    asset = AppriseAsset(app_id="DPMP", app_desc="DPMP mining proxy", async_mode=False, secure_logging=True)
    apprise = Apprise(asset=asset)
    with _one_at_a_time, LogCapture(level=logging.WARNING) as captured:  # type: ignore[no-untyped-call]
        if not apprise.add(url):
            return "Apprise does not understand the address."
        try:
            accepted = apprise.notify(title=title, body=body, notify_type=_TYPES[level], body_format=NotifyFormat.TEXT)
        except Exception as error:  # a plugin's own fault must not end the alerts
            return scrub(f"{type(error).__name__}: {error}", url)
        return "" if accepted else scrub(_last_line(captured.getvalue()), url)


def send_test(url: str) -> str:
    """Send a message that says it is a test; as ``send``, also to a browser."""
    if is_browser(url):
        from proxy.alerts.push_sending import push_test

        return push_test(url)
    return send(url, TEST_TITLE, TEST_TEXT)


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
