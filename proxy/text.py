"""Text of others, made safe to show: nothing in it moves a terminal's cursor or turns the order of what is read; and
addresses as everybody writes them."""

import re

_C1_AND_LINES = "\x7f-\x9f\u2028\u2029"
"""What terminals obey as they obey ESC; and line ends that are not the log's."""
_OVERRIDES = "\u202a-\u202e\u2066-\u2069"
"""Embeddings, overrides and isolates (Unicode UAX #9): text after them may show in another order than it has."""
_MARKS = "\u061c\u200e\u200f"
"""Directional marks: they belong into Arabic and Hebrew text that people write."""

_HIDDEN = re.compile(f"[{_C1_AND_LINES}{_OVERRIDES}{_MARKS}]")
_IN_PAGES = re.compile(f"[{_C1_AND_LINES}{_OVERRIDES}]")


def visible(text: str) -> str:
    r"""``text`` of a peer on one line: white space as a space, others that cannot be printed as ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char.isspace() else _escaped(char) for char in text)


def escape_hidden(text: str) -> str:
    r"""``text`` with bidirectional controls and C1 characters as ``\u202e``; line ends and C0 characters stay."""
    return text if text.isascii() and "\x7f" not in text else _HIDDEN.sub(_escaped_match, text)


def escape_in_page(html: str) -> str:
    """The same for a page, but for the marks that an operator may have written."""
    return html if html.isascii() else _IN_PAGES.sub(_escaped_match, html)


def harmless_cell(text: str) -> str:
    """``text`` of a peer in a cell of a CSV file: a spreadsheet must not take it for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def address_text(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}"


def _escaped_match(found: re.Match[str]) -> str:
    return _escaped(found[0])
