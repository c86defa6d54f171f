"""The documents agree with the repository: links, paths, names in the code, decisions and terms."""

import ast
import re
import subprocess
from collections import Counter
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from dpmp_site.env import VARIABLES

pytestmark = pytest.mark.no_cover

ROOT = Path(__file__).resolve().parents[2]
DEV = ROOT / "docs" / "dev"
DECISIONS = DEV / "decisions"

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
QUOTED = re.compile(r"`([^`\n]+)`")
NAMES_A_PATH = re.compile(r"(?:proxy|dashboard|dpmp_site|tests|docs|installer|templates)(?:/[\w.-]+)*/?")
NAMES_CODE = re.compile(r"([\w/]+\.py):([A-Za-z_][\w.]*)")
NAMES_A_DOCUMENT = re.compile(r"(?<![\w./<>{}*%-])((?:[\w.-]+/)*[\w-]+\.md)\b")


def files(*patterns: str) -> list[Path]:
    """The files that belong to the repository: those git knows or would add; all of them in a release archive."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.split() if listed.returncode == 0 else []
    found = [ROOT / name for name in names] or [path for pattern in patterns for path in ROOT.rglob(pattern)]
    return sorted(path for path in found if path.is_file() and not hidden(path))


def hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)


DOCUMENTS = files("*.md")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(path: Path) -> set[str]:
    """The anchors that headings get where the repository is shown."""
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-")
        for heading in HEADING.findall(text_of(path))
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_to_a_file_and_heading_of_the_repository(document: Path):
    wrong = []
    for link in LINK.findall(CODE.sub("", text_of(document))):
        if re.match(r"[a-z]+:", link):
            continue
        place, anchor = urldefrag(unquote(link))
        target = (document.parent / place).resolve() if place else document
        inside = target.is_relative_to(ROOT) and target.exists()
        if not inside or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            wrong.append(link)
    assert not wrong


def test_no_text_names_a_document_that_is_not_here():
    known = {path.name for path in DOCUMENTS}
    wrong = [
        f"{name_of(path)}: {named}"
        for path in files("*.md", "*.py", "*.html", "*.sh", "*.toml", "*.yml", "*.yaml", "Makefile")
        if path != Path(__file__).resolve()
        for named in NAMES_A_DOCUMENT.findall(text_of(path))
        if named.rpartition("/")[2] not in known and "example" not in named
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.is_relative_to(DEV)], ids=name_of)
def test_every_path_and_name_of_the_code_in_a_document_for_developers_exists(document: Path):
    wrong = []
    for quoted in QUOTED.findall(re.sub(r"```.*?```", "", text_of(document), flags=re.DOTALL)):
        named = NAMES_CODE.fullmatch(quoted)
        if named:
            path = in_proxy_or_root(named[1])
            if path is None or named[2] not in names_in(path):
                wrong.append(quoted)
        elif NAMES_A_PATH.fullmatch(quoted) and not (ROOT / quoted).exists():
            wrong.append(quoted)
    assert not wrong


def in_proxy_or_root(path: str) -> Path | None:
    """Where a short path of the map leads: walks leave ``proxy/`` out."""
    return next((place for place in (ROOT / "proxy" / path, ROOT / path) if place.is_file()), None)


@lru_cache
def names_in(path: Path) -> frozenset[str]:
    """Functions, classes and methods of a file, as ``function``, ``Class`` and ``Class.method``."""
    found = set()
    for node in ast.parse(text_of(path)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    found.add(f"{node.name}.{inner.name}")
    return frozenset(found)


def test_every_package_folder_stands_in_the_map():
    quoted = set(QUOTED.findall(text_of(DEV / "map.md")))
    packages = {
        f"{name_of(path.parent)}/" for folder in ("proxy", "dashboard") for path in (ROOT / folder).rglob("__init__.py")
    }
    within = {"proxy/", "dashboard/"}  # the apps themselves: drawn as what is in them
    commands = {"proxy/management/commands/", "dashboard/management/commands/"}
    small = {"proxy/config/importers/", "proxy/scheduling/policies/", *commands}
    tables = {package for package in packages if "migrations" in package or "templatetags" in package}
    assert not packages - within - small - tables - quoted


def test_every_package_says_in_a_sentence_what_it_is():
    silent = [
        name_of(path)
        for folder in ("proxy", "dashboard", "dpmp_site")
        for path in (ROOT / folder).rglob("__init__.py")
        if path.parent.name not in {"migrations", "templatetags", "commands"}
        and not (ast.get_docstring(ast.parse(text_of(path))) or "").endswith(".")
    ]
    assert not silent


def test_the_map_fits_on_two_screens():
    assert len(text_of(DEV / "map.md").splitlines()) <= 110


def decision_files() -> list[Path]:
    return sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")


def test_decisions_are_numbered_without_gaps():
    numbers = [int(path.name[:4]) for path in decision_files()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_decisions_are_in_order_of_date():
    dates = [re.search(r"^\d{4}-\d\d-\d\d", text_of(path), re.MULTILINE)[0] for path in decision_files()]
    assert dates == sorted(dates)


def test_the_index_lists_every_decision_with_its_title():
    rows = re.findall(r"^\| (\d{4}) \| \[(.+)\]\((.+)\) \|", text_of(DECISIONS / "README.md"), re.MULTILINE)
    titles = [
        (path.name[:4], text_of(path).partition("\n")[0].removeprefix(f"# {path.name[:4]}. "), path.name)
        for path in decision_files()
    ]
    assert rows == titles


@pytest.mark.parametrize("decision", decision_files(), ids=lambda path: path.name[:4])
def test_a_decision_has_its_three_parts_on_a_page(decision: Path):
    text = text_of(decision)
    assert HEADING.findall(text)[1:] == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= 60


def test_each_term_of_the_glossary_is_defined_once():
    terms = re.findall(r"^\| (.+?) \|", text_of(DEV / "glossary.md"), re.MULTILINE)
    terms = [term.casefold() for term in terms if term not in ("term", "---")]
    assert len(terms) > 80
    assert not [term for term, times in Counter(terms).items() if times > 1]


def test_each_section_of_the_glossary_is_in_alphabetical_order():
    for section in re.split(r"^## ", text_of(DEV / "glossary.md"), flags=re.MULTILINE)[1:]:
        terms = [
            re.sub(r"[`*]", "", term).casefold()
            for term in re.findall(r"^\| (.+?) \|", section, re.MULTILINE)
            if term not in ("term", "---")
        ]
        assert terms == sorted(terms), section.partition("\n")[0]


def test_the_readme_lists_every_environment_variable():
    section = text_of(ROOT / "README.md").partition("### Environment variables")[2].partition("###")[0]
    named = re.findall(r"`(DPMP_\w+)`", "\n".join(line.split("|")[1] for line in section.splitlines() if "|" in line))
    assert sorted(named) == sorted(VARIABLES)


def test_each_test_that_the_threat_model_names_exists():
    text = (ROOT / "docs" / "dev" / "threat-model.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 30 and text.count("::") == len(named)
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / path).is_file() or not re.search(rf"def {test}\(", (ROOT / path).read_text())
    ]
    assert not missing
