"""Removes wallets and passwords from text that is stored or leaves the machine."""

import re
from collections.abc import Iterable

import orjson

WALLET = "[wallet]"
PASSWORD = "[password]"
MIN_NAME_CHARS = 3
"""Shorter account names are not redacted: they would match everywhere."""

_BECH32 = r"(?i:(?:bcrt|bc|tb|dgbrt|dgbt|dgb)1[02-9ac-hj-np-z]{8,87})"
# 42 characters for a 20-byte hash, 61 for a 32-byte one, up to 112; q and p are plain, z and r token-aware.
_CASHADDR = r"(?i:(?:(?:bitcoincash|bchtest|bchreg):)?[qpzr][02-9ac-hj-np-z]{41,111})"
# BTC and BCH 1, 3 (test networks m, n, 2), DGB D, S. Only lower-case hex digits: a hash, which stays.
_BASE58 = r"(?![0-9a-f]+(?![A-Za-z0-9]))[123mnDS][1-9A-HJ-NP-Za-km-z]{24,34}"
_NOT_INSIDE, _NOT_FOLLOWED = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_ADDRESS = re.compile(f"{_NOT_INSIDE}(?:{_BECH32}|{_CASHADDR}|{_BASE58}){_NOT_FOLLOWED}")


def redact(text: str) -> str:
    """``text`` with ``[wallet]`` for everything that has the form of a BTC, BCH or DGB address, legacy forms included.

    The worker behind the wallet's dot stays. Rather removes too much than too little.
    """
    return _ADDRESS.sub(WALLET, text)


class Redactor:
    """``redact`` that also knows the configured wallets, for pools that pay by account name."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        names = sorted({name for name in known if len(name) >= MIN_NAME_CHARS}, key=len, reverse=True)
        any_name = "|".join(map(re.escape, names))
        self._known = re.compile(f"{_NOT_INSIDE}(?:{any_name}){_NOT_FOLLOWED}") if names else None

    def __call__(self, text: str) -> str:
        """``text`` without wallets."""
        if self._known is not None:
            text = self._known.sub(WALLET, text)
        return redact(text)


def hide_passwords(traffic: str) -> str:
    """Raw Stratum lines with ``[password]`` for the second parameter of each ``mining.authorize``."""
    if not _may_authorize(traffic):
        return traffic
    return "\n".join(map(_hide_password, traffic.split("\n")))


def _may_authorize(text: str) -> bool:
    return "authorize" in text or "\\u" in text  # JSON may spell any letter as an escape


def _hide_password(line: str) -> str:
    if not _may_authorize(line):
        return line
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "(not shown: no JSON, and it may hold a password)"
    params = message.get("params") if isinstance(message, dict) else None
    if isinstance(params, list) and len(params) > 1 and message.get("method") == "mining.authorize":
        message["params"] = [params[0], PASSWORD, *params[2:]]
        return orjson.dumps(message).decode()
    return line
