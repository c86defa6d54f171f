"""Every text that people read can be translated: none stands bare in a template, and makemessages finds them all."""

import ast
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin

from dashboard.labels import action_name, source_name
from dashboard.reject_reasons import REASONS
from dpmp_site.env import VARIABLES
from dpmp_site.languages import languages
from proxy.models.labels import LABELS
from proxy.types import Reason

pytestmark = pytest.mark.no_cover

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
READ = ("title", "aria-label", "placeholder", "alt")
"""Attributes that people read or hear."""
NAMES = {"DPMP", "API", "p99", "admin", "html", "theme", "toggle", "color"}
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
    assert bare(
        '<p title="Why">{% translate "Good" %} bad <b>{{ worse }}</b><code>python</code></p>'
        "{% blocktranslate %}also good{% endblocktranslate %}"
    ) == ["Why", "bad"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_no_text_stands_bare_in_a_template(path):
    assert bare(path.read_text(encoding="utf-8")) == []


def test_no_text_stands_in_the_scripts_of_the_pages():
    """What scripts say comes from the page, in data attributes."""
    for path in (ROOT / "dashboard/static/dashboard").glob("*.js"):
        code = re.sub(r"^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        sentences = re.findall(r"""["'`][A-Z][a-z]+ [a-z][^"'`]*["'`]""", code)
        assert not sentences, path.name


SHOWN = (
    "dashboard",
    "proxy/admin",
    "proxy/models",
    "proxy/checks.py",
    "proxy/ops/checkpool*.py",
    "proxy/config/origin.py",
)
"""Where the texts stand that a person reads on a page, in a form, in a system check or in a connection test."""
TEXT_ARGUMENTS = {
    "label",
    "help_text",
    "verbose_name",
    "verbose_name_plural",
    "description",
    "short_description",
    "empty_label",
    "hint",
    "title",
    "violation_error_message",
    "placeholder",
}
MARKS = {
    "gettext",
    "gettext_lazy",
    "pgettext",
    "pgettext_lazy",
    "ngettext",
    "ngettext_lazy",
    "npgettext",
    "npgettext_lazy",
    "gettext_noop",
}
SENTENCE = re.compile(r"[a-z][,:]? [a-z]{2,}.*[a-z]", re.IGNORECASE)
TAGS = re.compile(r"<[^>]*>?|%[a-zA-Z]|[^<>]*\">")
"""What is no text of a literal: tags, also cut ones, and codes of a format."""
NO_TEXT = {
    "Multiple exceptions",  # what a library says, compared with
    "the check is done",
    "sends too much",  # why the test closes a connection: for nobody but the log
    "with wallets",  # stored in the audit list
}
"""Literals that look like a text and are none."""


def _sources():
    for place in SHOWN:
        for path in sorted(ROOT.glob(place)):
            yield from (
                one
                for one in ([path] if path.is_file() else sorted(path.rglob("*.py")))
                if not {"migrations", "api"} & set(one.relative_to(ROOT).parts)  # the API speaks English to programs
            )


def _marks(tree):
    """The names under which a module marks texts, and what each stands for."""
    return {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        for alias in node.names
        if alias.name in MARKS
    }


def _marked(tree):
    """The calls that mark a text."""
    marks = _marks(tree)
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in marks
    ]


def _message_ids(tree):
    marks = _marks(tree)
    for call in _marked(tree):
        place = 1 if marks[call.func.id].startswith(("pgettext", "npgettext")) else 0
        text = call.args[place]
        if not isinstance(text, ast.Name):
            yield text.lineno, text.value if isinstance(text, ast.Constant) else None


def unmarked(source):
    """Texts of a module that no translator would ever see: sentences, and whatever is given as a label or a hint."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    hidden = {id(part) for call in _marked(tree) for part in ast.walk(call)}
    hidden |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    hidden |= {id(key) for node in nodes if isinstance(node, ast.Dict) for key in node.keys}
    actions = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "action"]
    hidden |= {id(part) for action in actions for part in ast.walk(action)}
    hidden |= {id(node.annotation) for node in nodes if isinstance(node, ast.AnnAssign | ast.arg)}
    found = [
        node
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SENTENCE.search(TAGS.sub("", node.value))
    ]
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        found += [
            part
            for given in call.keywords
            if given.arg in TEXT_ARGUMENTS
            for part in ast.walk(given.value)
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and WORD.search(part.value)
        ]
    return sorted({(node.lineno, node.value) for node in found if id(node) not in hidden and node.value not in NO_TEXT})


def test_unmarked_text_of_a_module_would_be_found():
    assert unmarked('''
"""A docstring of a module."""
from django.utils.translation import gettext as _
Error(_("Good %s.") % name, hint="Run it.")
raise ValidationError(f"There is no {name} here.")
form.field(label=_("Good"), help_text="Bad", name="fine")
''') == [(4, "Run it."), (5, "There is no "), (6, "Bad")]


@pytest.mark.parametrize("path", list(_sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_of_a_module_is_left_unmarked(path):
    assert unmarked(path.read_text(encoding="utf-8")) == []


COMPLETE = ("de", "es")
"""Languages in which nothing is missing."""


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """A copy of the sources whose catalogues have been brought up to the texts, as ``make messages`` does."""
    if shutil.which("xgettext") is None:
        pytest.skip("GNU gettext is not installed (apt install gettext)")
    place = tmp_path_factory.mktemp("catalogue")
    for name in ("dashboard", "templates", "proxy", "dpmp_site"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    shutil.copy(ROOT / "manage.py", place)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_"))}
    subprocess.run(
        [sys.executable, "manage.py", "makemessages", *(f"-l{language}" for language in COMPLETE), "--no-wrap"],
        cwd=place,
        check=True,
        timeout=120,
        env={**environment, "DPMP_DATA_DIR": str(place / "data")},
        capture_output=True,
    )
    return place


def written(place, app, language):
    """A catalogue as text."""
    return (place / app / "locale" / language / "LC_MESSAGES/django.po").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def catalogue(collected):
    """The texts that xgettext finds, by way of makemessages."""
    return {app: texts_of(written(collected, app, "de")) for app in ("dashboard", "proxy")}


def texts_of(catalogue):
    """The texts to translate that a .po file holds."""
    found = re.findall(r'^msgid(?:_plural)? ((?:".*"\n)+)', catalogue, flags=re.MULTILINE)
    return {"".join(ast.literal_eval(line) for line in lines.splitlines()) for lines in found}


def unfinished(catalogue):
    """The entries of a .po file that have no translation, or one that the tools have guessed."""
    entries = [entry for entry in catalogue.split("\n\n")[1:] if not entry.startswith("#~")]
    empty = re.compile(r'^msgstr(\[\d\])? ""$(?!\n")', flags=re.MULTILINE)
    return [entry for entry in entries if empty.search(entry) or re.search(r"^#, .*fuzzy", entry, flags=re.MULTILINE)]


def test_unfinished_translation_would_be_found():
    good = 'msgid "A"\nmsgstr "B"'
    long = 'msgid ""\n"A\\n"\n"B"\nmsgstr ""\n"C\\n"\n"D"'
    missing = 'msgid "C"\nmsgstr ""'
    half = 'msgid "D"\nmsgid_plural "E"\nmsgstr[0] "F"\nmsgstr[1] ""'
    guessed = '#, fuzzy, python-format\nmsgid "G"\nmsgstr "H"'
    gone = '#~ msgid "I"\n#~ msgstr ""'
    everything = "\n\n".join(['msgid ""\nmsgstr ""', good, long, missing, half, guessed, gone])
    assert unfinished(everything) == [missing, half, guessed]


@pytest.mark.slow
@pytest.mark.parametrize("language", COMPLETE)
@pytest.mark.parametrize("app", ["dashboard", "proxy"])
def test_every_text_is_translated(collected, app, language):
    """What to do: docs/dev/translations.md."""
    missing = unfinished(written(collected, app, language))
    assert not missing, "run make messages, and translate:\n" + "\n\n".join(missing)


@pytest.mark.slow
def test_catalogue_has_every_text_of_pages_forms_checks_and_connection_tests(catalogue):
    everything = catalogue["dashboard"] | catalogue["proxy"]
    missing = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted({*_sources(), *(ROOT / "proxy").rglob("*.py")})
        if "django.utils.translation" in (source := path.read_text(encoding="utf-8"))
        for line, text in _message_ids(ast.parse(source))
        if text not in everything
    ]
    assert missing == []


@pytest.mark.slow
def test_catalogue_has_every_text_of_the_templates(catalogue):
    missing = [
        f"{path.name}: {text}"
        for path in TEMPLATES
        for text in in_template(path.read_text(encoding="utf-8"))
        if not {text, text.replace("%%", "%")} & catalogue["dashboard"]
    ]
    assert missing == []


def in_template(text):
    """What a template marks in tags and in arguments of tags."""
    for found in re.findall(r"""{% translate (?:"([^"]+)"|'([^']+)')|_\((?:"([^"]+)"|'([^']+)')\)""", text):
        yield "".join(found).replace("%", "%%")


@pytest.mark.slow
def test_catalogue_has_the_meanings_of_the_environment_variables(catalogue):
    assert {str(meaning) for meaning in VARIABLES.values()} <= catalogue["dashboard"] | catalogue["proxy"]


def _as_text(choice):
    return choice[0], str(choice[1])


@pytest.mark.slow
def test_catalogue_has_the_labels_of_every_field_that_a_form_shows(catalogue):
    everything = catalogue["dashboard"] | catalogue["proxy"]
    bare = []
    shown = {*admin.site._registry, *(inline.model for one in admin.site._registry.values() for inline in one.inlines)}
    for model in (model for model in shown if model._meta.app_label in ("proxy", "dashboard")):
        for field in (field for field in model._meta.concrete_fields if field.editable and not field.auto_created):
            choices = [
                part
                for value, label in map(_as_text, field.choices or ())
                if label not in everything | {value}
                if f"({value})" not in label
                for part in label.split(": ")
            ]  # (value): the name of a product
            texts = [field.verbose_name, field.help_text, *choices]
            bare += [
                f"{model.__name__}.{field.name}: {text}" for text in map(str, texts) if text and text not in everything
            ]
    assert bare == []


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
    settings.LANGUAGES = [("en", "English")]
    assert 'name="language"' not in viewer.get("/help/").content.decode()
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    html = viewer.get("/help/").content.decode()
    assert 'name="language"' in html and re.search(r">\s*Deutsch\s*</option>", html)


def test_each_value_of_an_enum_has_one_label():
    for kind, labels in LABELS.items():
        assert {kind(value) for value in labels} == set(kind)
        assert len({str(label.name) for label in labels.values()}) == len(labels)
    assert set(Reason) - set(REASONS) == {Reason.NONE}


@pytest.mark.parametrize("named, shown", [("weights", "set the split"), ("something new", "something new")])
def test_action_has_a_word_or_stands_as_it_is(named, shown):
    assert action_name(named) == shown


@pytest.mark.parametrize(
    "named, shown",
    [("observed", "pool jobs"), ("node BCH", "node BCH"), ("mempool #2", "mempool #2"), ("other", "other")],
)
def test_source_keeps_what_tells_it_from_another_of_its_kind(named, shown):
    assert source_name(named) == shown
