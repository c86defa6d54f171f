"""What a feed of releases says, parsed; everything in it is hostile until then."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.version import InvalidVersion, Version

MAX_VERSION, MAX_URL = 64, 300


@dataclass(frozen=True, slots=True)
class Release:
    """A released version and where to read about it."""

    version: str
    url: str = ""
    """http or https; empty where the feed names none."""


class FeedError(ValueError):
    """The answer names no version; the text says why."""


def release_of(answer: object) -> Release:
    """The newest release in ``answer``, parsed JSON of one of three kinds.

    ``{"version": "4.1.0", "url": ...}``; GitHub's and Forgejo's ``releases/latest`` (``tag_name``, ``html_url``,
    ``prerelease``); the JSON of a package index such as PyPI (``info.version``, ``info.package_url``).

    Raises:
        FeedError: it is none of them.
    """
    if not isinstance(answer, Mapping):
        raise FeedError("the answer is no object")
    info = answer.get("info")
    if isinstance(info, Mapping):
        return Release(_version(info.get("version")), _url(info.get("package_url")))
    if "tag_name" in answer:
        return Release(_version(answer["tag_name"]), _url(answer.get("html_url")))
    return Release(_version(answer.get("version")), _url(answer.get("url")))


def is_newer(release: Release, version: str) -> bool:
    """Whether ``release`` is a final version after ``version``."""
    found = Version(release.version)
    return not found.is_prerelease and found > Version(version)


def _version(said: object) -> str:
    if not isinstance(said, str) or len(said) > MAX_VERSION:
        raise FeedError("the answer names no version")
    try:
        return str(Version(said))
    except InvalidVersion as error:
        raise FeedError("the answer names something that is no version") from error


def _url(said: object) -> str:
    """An address that a page may link to; else nothing."""
    if not isinstance(said, str) or len(said) > MAX_URL or not said.isascii() or not said.isprintable():
        return ""
    try:
        parts = urlsplit(said)
    except ValueError:
        return ""
    return said if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc else ""
