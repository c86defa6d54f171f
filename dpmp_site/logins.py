"""What guessing passwords costs the guesser; what it does not cost mining, nor the owner of the name."""

import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db.models import Sum
from django.http import HttpRequest

from dpmp_site.known_browsers import known_browser

FAILURES_OF_AN_ADDRESS = 50
"""Under whatever names, in the time of ``AXES_COOLOFF_TIME``; for a name at an address it is ``AXES_FAILURE_LIMIT``."""
HASHED_AT_ONCE = 2
_NICENESS = 10


def counted_name(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str | None:
    """Under what name Axes counts wrong passwords: those of a known browser beside those of strangers."""
    name = (credentials or {}).get("username") or request.POST.get("username")
    mark = known_browser(request, name) if name else ""
    return f"{name} (known browser {mark})" if mark else name


class LoginLimits(AxesDatabaseHandler):  # type: ignore[misc]
    """Locks a name at an address out, and an address that tries many names.

    Never a name alone: its owner at another address could be kept out by anybody who knows it. Nor a browser in which
    its owner has logged in before, for what others do at the same address.
    """

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        """Whether this attempt is refused before the password is looked at."""
        if super().is_locked(request, credentials):
            return True
        name = (credentials or {}).get("username", "")
        return not known_browser(request, name) and _failures_of_address(request) >= FAILURES_OF_AN_ADDRESS


def _failures_of_address(request: Any) -> int:
    since = get_cool_off_threshold(request)
    attempts = AccessAttempt.objects.filter(ip_address=request.axes_ip_address, attempt_time__gte=since)
    return attempts.aggregate(total=Sum("failures_since_start"))["total"] or 0


def _step_back() -> None:
    """Let the event loop's thread go first: Linux has a priority for each thread."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS)


_hashing = ThreadPoolExecutor(HASHED_AT_ONCE, "password", initializer=_step_back)


class QuietPasswordHasher(PBKDF2PasswordHasher):
    """Django's hasher, at work in two threads of low priority, whoever asks; OpenSSL lets the interpreter go meanwhile.

    The hashes are the same, so those that exist stay good.
    """

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """As in Django; waits for its turn, so not from a coroutine."""
        return _hashing.submit(super().encode, password, salt, iterations).result()
