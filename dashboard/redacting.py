"""Pages for those who may not see wallets: without addresses, and without the names of accounts at pools."""

import re
from html import escape
from urllib.parse import quote

from proxy.models import Wallet
from proxy.models.labels import WalletKind
from proxy.observe.log import redact
from proxy.observe.log.redact import MIN_NAME_CHARS, WALLET

_TAG = re.compile(r"(<[^<>]*>)")
_SHOWN = re.compile(
    r"\b(href|title|value|alt|aria-label|placeholder|content|action|data-[\w-]+|(?:hx|ws)-[\w-]+)=\"([^\"]*)\""
)
"""Attributes that may contain a name; in others, an account called "card" would break the page's layout."""


def account_names() -> list[str]:
    """Names of the accounts that pools pay to instead of an address. Blocks on the database."""
    found = Wallet.objects.filter(kind=WalletKind.ACCOUNT).values_list("address", flat=True)
    return [name for name in found if len(name) >= MIN_NAME_CHARS]


def hide_wallets(page: str, accounts: list[str], *, html: bool = True) -> str:
    """``page`` with ``[wallet]`` for addresses and for ``accounts``, in any case; tags stay whole if it is HTML."""
    page = redact(page)
    if not accounts:
        return page
    spellings = {spelling for name in accounts for spelling in (name, escape(name), quote(name, safe=""))}
    any_name = "|".join(map(re.escape, sorted(spellings, key=len, reverse=True)))
    known = re.compile(f"(?<![A-Za-z0-9])(?:{any_name})(?![A-Za-z0-9])", re.IGNORECASE)
    if not html:
        return known.sub(WALLET, page)
    parts = _TAG.split(page)
    parts[::2] = [known.sub(WALLET, text) for text in parts[::2]]
    parts[1::2] = [_SHOWN.sub(lambda found: f'{found[1]}="{known.sub(WALLET, found[2])}"', tag) for tag in parts[1::2]]
    return "".join(parts)
