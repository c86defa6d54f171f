"""Every text that people read can be translated: none stands bare in a template, and makemessages finds them all."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings

from dashboard.words import action_name, source_name
from dpmp_site.languages import languages

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
READ = ("title", "aria-label", "placeholder", "alt")
"""Attributes that people read or hear."""
NAMES = {"DPMP", "p99", "admin", "html", "theme", "toggle", "color"}
"""Words that are the same in every language."""
WORD = re.compile(r"[^\W\d_]{2,}")


class Texts(HTMLParser):
    """What a browser would show of a template without its tags of Django."""

    def __init__(self):
        super().__init__()
        self.found, self._within = [], []

    def handle_starttag(self, tag, attrs):
        if tag in ("code", "script", "style"):
            self._within.append(tag)
        self.found += [value for name, value in attrs if value and (name in READ)]

    def handle_endtag(self, tag):
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, text):
        if not self._within:
            self.found.append(text)


def bare(text):
    """Words of a template that no translator would ever see."""
    text = re.sub(r"{% blocktranslate.*?{% endblocktranslate %}", "", text, flags=re.DOTALL)
    texts = Texts()
    texts.feed(re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", "", text, flags=re.DOTALL))
    return [word for one in texts.found for word in WORD.findall(one) if word not in NAMES]


def test_bare_text_would_be_found():
    assert bare('<p title="Why">{% translate "Good" %} bad <b>{{ worse }}</b><code>python</code></p>'
                "{% blocktranslate %}also good{% endblocktranslate %}") == ["Why", "bad"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_no_text_stands_bare_in_a_template(path):
    assert bare(path.read_text(encoding="utf-8")) == []


def test_no_text_stands_in_the_scripts_of_the_pages():
    """What scripts say comes from the page, in data attributes."""
    for path in (ROOT / "dashboard/static/dashboard").glob("*.js"):
        code = re.sub(r"^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        sentences = re.findall(r"""["'`][A-Z][a-z]+ [a-z][^"'`]*["'`]""", code)
        assert not sentences, path.name


@pytest.mark.slow
def test_makemessages_collects_the_texts_of_templates_python_and_models(tmp_path, own_environment):
    if shutil.which("xgettext") is None:
        pytest.skip("GNU gettext is not installed (apt install gettext)")
    for name in ("dashboard", "templates", "proxy", "dpmp_site"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    shutil.copy(ROOT / "manage.py", tmp_path)
    subprocess.run([sys.executable, "manage.py", "makemessages", "-l", "de"], cwd=tmp_path, env=own_environment,
                   check=True, capture_output=True, timeout=120)
    pages = (tmp_path / "dashboard/locale/de/LC_MESSAGES/django.po").read_text(encoding="utf-8")
    proxy = (tmp_path / "proxy/locale/de/LC_MESSAGES/django.po").read_text(encoding="utf-8")
    for text in ("Skip to the page", "The split has followed.", "at least %(time)s between switches", "connection lost",
                 "Too late: the block had changed", "set the split", "Settings in force", "Something went wrong here"):
        assert f'msgid "{text}"' in pages, text
    for text in ("Test connection", "pool", "Who is paid"):
        assert f'msgid "{text}"' in proxy, text


def test_language_is_offered_when_its_translation_is_compiled(tmp_path):
    assert languages([tmp_path]) == [("en", "English")]
    for name, built in (("de", True), ("pt_BR", True), ("fr", False)):
        folder = tmp_path / name / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / ("django.mo" if built else "django.po")).touch()
    assert languages([tmp_path]) == [("en", "English"), ("de", "Deutsch"), ("pt-br", "Português Brasileiro")]


def test_folders_for_translations_are_there():
    assert all(Path(path).is_dir() for path in settings.LOCALE_PATHS)
    assert settings.LANGUAGES[0] == ("en", "English")


def test_choice_of_the_language_stands_in_the_menu_when_there_is_one(browser_of, pools, settings):
    viewer = browser_of("viewer")
    assert 'name="language"' not in viewer.get("/help/").content.decode()
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    html = viewer.get("/help/").content.decode()
    assert 'name="language"' in html and ">Deutsch</option>" in html


@pytest.mark.parametrize("named, shown", [("weights", "set the split"), ("something new", "something new")])
def test_action_has_a_word_or_stands_as_it_is(named, shown):
    assert action_name(named) == shown


@pytest.mark.parametrize("named, shown", [("observed", "jobs of the pools"), ("node BCH", "node BCH"),
                                          ("mempool #2", "mempool #2"), ("other", "other")])
def test_source_keeps_what_tells_it_from_another_of_its_kind(named, shown):
    assert source_name(named) == shown
