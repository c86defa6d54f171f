"""Reads the ``DPMP_*`` environment variables: typed, with defaults, and with one clear message for a bad value."""

import os
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Every variable that any part of DPMP reads, with what it means. A name outside this table is a typing mistake.
VARIABLES: dict[str, str | Promise] = {
    "DPMP_DATA_DIR": _("directory of the database, the secret key and the logs (default: data/)"),
    "DPMP_DATABASE_URL": _("another database than SQLite, as in postgres://user:password@host/name"),
    "DPMP_REDIS_URL": _(
        "Redis or Valkey, through which several nodes show their live pages as one, as in redis://host:6379/0"
    ),
    "DPMP_NODE": _("name of this node where several share one PostgreSQL (default: the machine's name)"),
    "DPMP_DEBUG": _("Django's debug pages, yes or no (default: no)"),
    "DPMP_ALLOWED_HOSTS": _(
        "names that the dashboard may be opened by, separated by commas; .example.org for a domain"
    ),
    "DPMP_CSRF_TRUSTED_ORIGINS": _("origins that may send forms through a proxy, as in https://dpmp.example.org"),
    "DPMP_TRUST_PROXY": _("believe the X-Forwarded-* headers of a web server in front, yes or no (default: no)"),
    "DPMP_ADMIN_USER": _("name of the first administrator (default: admin)"),
    "DPMP_ADMIN_PASSWORD": _("password of the first administrator (default: random, printed once)"),
    "DPMP_LANGUAGE": _("language of the pages until a browser says otherwise (default: en)"),
    "DPMP_LOG_LEVEL": _("least important level of log lines, overrides the configuration"),
    "DPMP_LOG_ALLOW": _("events written whatever their level, separated by commas, overrides the configuration"),
    "DPMP_LOG_DENY": _("events never written, separated by commas, overrides the configuration"),
    "DPMP_WIDGET": _("four figures at /widget/ without a login, for a home server's desktop, yes or no (default: no)"),
    "DPMP_WATCH_LOOP": _("log what holds the event loop for more than 50 ms, yes or no (default: no)"),
    "DPMP_E2E_SECONDS": _("how long each end-to-end measurement of the tests runs (default: 45)"),
    "DPMP_TEST_DATABASE_URL": _(
        "PostgreSQL on which the tests run in place of SQLite, by a user that may make databases"
    ),
    "DPMP_TEST_SCREENSHOTS": _("directory in which the browser tests leave pictures for the README"),
    "DPMP_TEST_NO_SKIP": _("a skipped test fails the test run, yes or no (default: no)"),
}

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off", ""})


class Environment:
    """The ``DPMP_*`` variables of one mapping; each reader raises ``ImproperlyConfigured`` with the variable's name."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables

    def unknown(self) -> list[str]:
        """The ``DPMP_*`` names that nothing reads: typing mistakes that would silently be without effect."""
        return sorted(name for name in self._variables if name.startswith("DPMP_") and name not in VARIABLES)

    def text(self, name: str, default: str = "") -> str:
        """The stripped value, or ``default`` when unset or empty."""
        if name not in VARIABLES:
            raise LookupError(f"{name} is missing from dpmp_site.env.VARIABLES")
        return self._variables.get(name, "").strip() or default

    def switch(self, name: str, default: bool = False) -> bool:
        """Yes or no: 1/0, true/false, yes/no, on/off in any case."""
        word = self.text(name, "yes" if default else "no").lower()
        if word not in _YES | _NO:
            raise ImproperlyConfigured(f"{name} is {word!r}; it has to be yes or no.")
        return word in _YES

    def names(self, name: str) -> list[str]:
        """The entries of a comma-separated list, without empty ones."""
        return [entry.strip() for entry in self.text(name).split(",") if entry.strip()]

    def path(self, name: str, default: Path) -> Path:
        """An absolute path; ``~`` is the home directory."""
        return Path(self.text(name, str(default))).expanduser().absolute()

    def url(self, name: str, schemes: tuple[str, ...]) -> str:
        """A URL of one of ``schemes``, or empty when unset. The value is not repeated: it may hold a password."""
        url = self.text(name)
        if url and url.partition("://")[0] not in schemes:
            raise ImproperlyConfigured(f"{name} has to start with {' or '.join(f'{s}://' for s in schemes)}.")
        return url
