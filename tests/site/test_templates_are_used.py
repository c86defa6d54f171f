"""Every template is shown, and nothing stands in one, or is there for one, that nobody uses."""

import re
from pathlib import Path

import pytest
from django.template.backends.django import get_installed_libraries
from django.template.base import Lexer, Token, TokenType
from django.template.library import import_library
from django.template.utils import get_app_template_dirs

from dashboard import live
from tests.test_architecture import MODULES, ROOT

pytestmark = pytest.mark.no_cover

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
OWN_LIBRARIES = ("dashboard_page", "live_regions", "units", "weeks")
FOUND_BY_ITS_NAME = {"403.html", "403_csrf.html", "404.html", "500.html"}  # Django looks for them by itself


def tokens(path: Path) -> list[Token]:
    return Lexer(path.read_text(encoding="utf-8")).tokenize()


def used_in(path: Path) -> tuple[set[str], set[str]]:
    """The tags and the filters of a template."""
    tags, filters = set(), set()
    for token in tokens(path):
        if token.token_type is TokenType.BLOCK:
            tags.add(token.contents.split()[0])
        if token.token_type in (TokenType.BLOCK, TokenType.VAR):
            filters.update(re.findall(r"\|(\w+)", token.contents))
    return tags, filters


def test_every_tag_and_filter_is_in_a_template() -> None:
    pairs = [used_in(path) for path in TEMPLATES]
    tags, filters = (set().union(*used) for used in zip(*pairs, strict=True))
    for name in OWN_LIBRARIES:
        library = import_library(f"dashboard.templatetags.{name}")
        assert not library.tags.keys() - tags
        assert not library.filters.keys() - filters


def test_templates_load_only_what_they_use() -> None:
    libraries = {name: import_library(module) for name, module in get_installed_libraries().items()}
    needless = []
    for path in TEMPLATES:
        tags, filters = used_in(path)
        loaded = [token.split_contents() for token in tokens(path) if token.contents.startswith("load ")]
        needless += [
            f"{path.relative_to(ROOT)}: {name}"
            for name in (name for _load, *names in loaded for name in names)
            if not libraries[name].tags.keys() & tags and not libraries[name].filters.keys() & filters
        ]
    assert not needless


def test_what_extends_a_template_has_nothing_outside_its_blocks() -> None:
    """It would never be shown, nor done."""
    lost = []
    for path in TEMPLATES:
        names = [token.contents.split()[0] for token in tokens(path) if token.token_type is TokenType.BLOCK]
        if names[:1] != ["extends"]:
            continue
        depth = 0
        for name in names[1:]:
            depth += {"block": 1, "endblock": -1}.get(name, 0)
            if not depth and name not in ("load", "endblock"):
                lost.append(f"{path.relative_to(ROOT)}: {name}")
    assert not lost


def test_every_template_is_shown() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (*MODULES.values(), *TEMPLATES)]
    named = set(re.findall(r"[\w/]+\.html", "\n".join(texts)))
    regions = {f"dashboard/live/{name}.html" for name in live.REGIONS}
    own = [ROOT / package for package in ("dashboard", "dpmp_site", "proxy")]
    others = [Path(folder) for folder in get_app_template_dirs("templates")]
    others = [folder for folder in others if not any(package in folder.parents for package in own)]
    for path in TEMPLATES:
        name = path.relative_to(ROOT / "templates").as_posix()
        overrides = any((folder / name).exists() for folder in others)
        assert overrides or name in named | regions | FOUND_BY_ITS_NAME, name
