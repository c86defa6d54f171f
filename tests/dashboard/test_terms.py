"""Each term that a page explains has a sentence, and each sentence explains a term of a page."""

import re
from pathlib import Path

from django.template import Context, Template

from dashboard.templatetags.dashboard_page import _TERM_OF
from dashboard.terms import TERMS

TEMPLATES = Path(__file__).parents[2] / "templates/dashboard"


def test_terms_of_the_pages_are_those_that_are_explained():
    used = {name for path in TEMPLATES.rglob("*.html") for name in re.findall(r'{% term "(\w+)"', path.read_text())}
    assert used | set(_TERM_OF.values()) == TERMS.keys()


def test_explanation_is_there_without_a_script_too():
    html = Template('{% load dashboard_page %}{% term "p99" "p99" %}').render(Context())
    assert html.startswith('<button type="button" class="term" title="99 of 100 answers came faster."')
