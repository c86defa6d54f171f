"""Browsers in which somebody has logged in before, so that what strangers try is not held against them.

As OWASP describes it under "device cookies".
"""

import secrets
from collections.abc import Mapping

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

KNOWN_COOKIE = "dpmp_known"
KNOWN_SALT = "dpmp.known-browser"
KNOWN_S = 365 * 86400
KNOWN_PEOPLE = 5
"""Of one browser; whoever logged in longest ago is forgotten first."""


def remember_browser(request: HttpRequest, response: HttpResponse, name: str) -> None:
    """Give a browser in which somebody has logged in a mark, by which their later tries are told from strangers'.

    It opens nothing: it only says that this browser's wrong passwords are counted by themselves.
    """
    known = _known(request.COOKIES)
    known.setdefault(_mark_of(name), secrets.token_hex(8))
    known[_mark_of(name)] = known.pop(_mark_of(name))
    response.set_cookie(
        KNOWN_COOKIE,
        signing.dumps(dict(list(known.items())[-KNOWN_PEOPLE:]), salt=KNOWN_SALT),
        max_age=KNOWN_S,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )


def known_browser(request: HttpRequest, name: str) -> str:
    """The mark of a browser in which ``name`` has logged in before; empty for others."""
    return _known(request.COOKIES).get(_mark_of(name), "")


def any_known_browser(cookies: Mapping[str, str]) -> str:
    """The same of whoever logged in last; for what has to be decided before a name is read."""
    return next(reversed(_known(cookies).values()), "")


def _known(cookies: Mapping[str, str]) -> dict[str, str]:
    try:
        return dict(signing.loads(cookies.get(KNOWN_COOKIE, ""), salt=KNOWN_SALT, max_age=KNOWN_S))
    except signing.BadSignature:
        return {}


def _mark_of(name: str) -> str:
    """So that a cookie does not say who uses the browser."""
    return salted_hmac(KNOWN_SALT, name).hexdigest()[:16]
