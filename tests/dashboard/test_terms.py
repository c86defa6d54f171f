"""Each term that a page explains has a sentence, and each sentence explains a term of a page."""

import re
from html import unescape
from pathlib import Path

import pytest
from django.template import Context, Template

from dashboard.templatetags.dashboard_page import _TERM_OF, _TERM_OF_COLUMN
from dashboard.terms import TERMS

TEMPLATES = Path(__file__).parents[2] / "templates/dashboard"


def test_terms_of_the_pages_are_those_that_are_explained():
    used = {name for path in TEMPLATES.rglob("*.html") for name in re.findall(r'{% term "(\w+)"', path.read_text())}
    assert used | set(_TERM_OF.values()) | set(_TERM_OF_COLUMN.values()) == TERMS.keys()


def test_explanation_is_there_without_a_script_too():
    html = Template('{% load dashboard_page %}{% term "p99" "p99" %}').render(Context())
    assert html.startswith('<button type="button" class="term" title="99 of 100 answers came faster."')


PAGES = (
    "/",
    "/workers/",
    "/workers/AvalonQ/",
    "/fleet/",
    "/pools/",
    "/pools/A/",
    "/schedule/",
    "/balance/",
    "/records/",
    "/listeners/",
)
NEED_EXPLANATION = (
    "±",
    "5 min",
    "1 h",
    "24 h",
    "accepted",
    "alternate",
    "announced the last block",
    "as of",
    "asked for",
    "assigned difficulty",
    "average time to a block",
    "a block in",
    "best",
    "calculated weights",
    "chance in a day",
    "chance in a year",
    "connections",
    "controlled by",
    "counted as work alone",
    "cost",
    "credited",
    "delivered",
    "difficulty",
    "duplicate",
    "effort",
    "expected",
    "extranonce",
    "first share after",
    "hash rate",
    "health",
    "height",
    "jobs",
    "last block seen",
    "last day",
    "latency",
    "long",
    "luck",
    "median",
    "median delay",
    "mode",
    "no reply",
    "p90",
    "p99",
    "packing",
    "part of the fleet",
    "pays your wallet",
    "priority",
    "rejected",
    "seen",
    "shared connections",
    "shares",
    "shares a minute",
    "shares/s",
    "shares per second",
    "short",
    "slicing",
    "stale",
    "switches",
    "target",
    "time between jobs",
    "time on each pool",
    "to your wallet",
    "usual time between jobs",
    "verdict",
    "version rolling",
    "waiting for a place",
    "weight",
    "windows",
    "work",
    "your rate there",
)
"""What a head, a label or a fact begins with that nobody can guess."""
NEEDS = re.compile("|".join(rf"{re.escape(each)}(?![\w:])" for each in NEED_EXPLANATION))

HEADS_AND_LABELS = re.compile(r'<(th|dt)\b.*?</\1>|<span class="label".*?</span>|<li class="fact".*?</li>', re.DOTALL)
EXPLAINED = re.compile(r"<(button|a)\b[^>]* data-tip=\"[^\"]+\".*?</\1>", re.DOTALL)
CELLS_AND_PROSE = re.compile(r"<(td|p|script|svg)\b.*?</\1>", re.DOTALL)


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@pytest.mark.no_cover
@pytest.mark.parametrize("path", PAGES)
def test_each_head_and_label_that_nobody_can_guess_explains_itself(browser_of, pools, path):
    html = browser_of("administrator").get(path).content.decode()
    found = [match[0] for match in HEADS_AND_LABELS.finditer(html)]
    assert found or path in ("/listeners/", "/schedule/")
    bare = [
        text_of(each)
        for each in found
        if "data-tip" not in each and (NEEDS.match(text_of(each).lower()) or 'class="fact"' in each)
    ]
    assert bare == []
    assert "±" not in text_of(CELLS_AND_PROSE.sub("", EXPLAINED.sub("", html)))
