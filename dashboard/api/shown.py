"""What of a text a caller may see: without wallets and names of accounts, where its role hides them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from dashboard.access import Access
from dashboard.redacting import account_names, hide_wallets


def _all_of(text: str) -> str:
    return text


_shown: ContextVar[Callable[[str], str]] = ContextVar("shown", default=_all_of)


@contextmanager
def shown_to(access: Access) -> Iterator[None]:
    """While it lasts, ``shown`` hides from whoever has ``access`` what they may not see. Blocks on the database."""
    if access.wallets:
        hide: Callable[[str], str] = _all_of
    else:
        names = account_names()

        def hide(text: str) -> str:
            return hide_wallets(text, names, html=False)

    token = _shown.set(hide)
    try:
        yield
    finally:
        _shown.reset(token)


def shown(text: str) -> str:
    """``text`` as the caller of this request may see it."""
    return _shown.get()(text)
