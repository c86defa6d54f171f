"""The pages of ``docs/`` as Help shows them, with links and tables."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from markdown import Markdown
from markdown.extensions.tables import TableExtension
from markdown.extensions.toc import TocExtension
from markdown.treeprocessors import Treeprocessor

SLUGS = (
    "operations",
    "farm",
    "api",
    "mqtt",
    "money",
    "devices",
    "containers",
    "reverse-proxy",
    "stored-data",
    "security",
    "troubleshooting",
    "upgrade-from-v2",
    "metrics",
    "log-events",
)
"""The pages, in the order in which Help lists them."""
FILES = {
    "grafana.json": "application/json",
    "alerts.yml": "text/plain; charset=utf-8",
    "prometheus.yml": "text/plain; charset=utf-8",
}
"""Files in ``docs/monitoring`` that may be downloaded."""

_COMMENT = re.compile(r"^<!--.*?-->$", re.MULTILINE)
_TITLE = re.compile(r"\A# (.+)\n")


@dataclass(frozen=True, slots=True)
class Page:
    """One page, ready to be shown."""

    slug: str
    title: str
    body: SafeString


def folder() -> Path:
    """Where the pages are, in a checkout as in an installation."""
    return Path(settings.RESOURCES) / "docs"


def pages() -> list[Page]:
    """All pages that are there."""
    return [page for page in map(page_of, SLUGS) if page is not None]


def page_of(slug: str) -> Page | None:
    """The page called ``slug``; None where there is none."""
    path = folder() / f"{slug}.md"
    if slug not in SLUGS or not path.is_file():
        return None
    return _rendered(slug, path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2 * len(SLUGS))
def _rendered(slug: str, path: Path, changed: int) -> Page:
    text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    found = _TITLE.match(text)
    return Page(slug, found[1].strip() if found else slug, render(_TITLE.sub("", text)))


def render(text: str) -> SafeString:
    """Markdown as HTML that the content security policy allows; HTML in the text is escaped."""
    markdown = Markdown(extensions=["fenced_code", TableExtension(use_align_attribute=True), TocExtension()])
    markdown.preprocessors.deregister("html_block")
    markdown.inlinePatterns.deregister("html")
    markdown.treeprocessors.register(_Frame(markdown), "frame", 0)
    return mark_safe(markdown.convert(text))  # what is not Markdown was escaped


def address(link: str) -> str:
    """The address in Help that a page's link leads to; empty where there is none."""
    parts = urlsplit(link)
    if parts.scheme:
        return link if parts.scheme in ("http", "https", "mailto") else ""
    place = parts.path.removeprefix("./")
    anchor = f"#{parts.fragment}" if parts.fragment else ""
    if not place:
        return anchor
    if place.endswith(".md") and place.removesuffix(".md") in SLUGS:
        return reverse("help-doc", args=[place.removesuffix(".md")]) + anchor
    if place.startswith("monitoring/") and place.removeprefix("monitoring/") in FILES:
        return reverse("help-file", args=[place.removeprefix("monitoring/")])
    return ""


class _Frame(Treeprocessor):
    """Lets wide tables scroll by themselves and links lead to Help's own pages."""

    def run(self, root: Element) -> None:
        for link in root.iter("a"):
            leads_to = address(link.get("href", ""))
            if leads_to:
                link.set("href", leads_to)
            else:
                del link.attrib["href"]
        for parent in list(root.iter()):
            for place, child in enumerate(list(parent)):
                if child.tag == "table":
                    parent[place] = _scrolling(child)


def _scrolling(table: Element) -> Element:
    heads = [" ".join("".join(head.itertext()).split()) for head in table.iter("th")]
    frame = Element(
        "div", {"class": "scroll", "tabindex": "0", "role": "group", "aria-label": ", ".join(filter(None, heads))}
    )
    frame.tail, table.tail = table.tail, None
    for head in table.iter("th"):
        head.set("scope", "col")
    frame.append(table)
    return frame
