"""The catalogues of the languages: compiled as written, nothing guessed, every placeholder and tag kept."""

import gettext
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

CATALOGUES = sorted(found for folder in settings.LOCALE_PATHS for found in Path(folder).glob("*/LC_MESSAGES/django.po"))
PLACEHOLDER = re.compile(r"%\(\w+\)(?:\.\d)?[sdf]|%(?:\.\d)?[sdf](?!\w)|%%|\{\w+\}|</?[a-z][^>]*>")
NAMES = [f"{found.parts[-5]}-{found.parts[-3]}.{found.suffix[1:]}" for found in CATALOGUES]
needs_gettext = pytest.mark.skipif(
    shutil.which("msgfmt") is None, reason="GNU gettext is not installed (apt install gettext)"
)


def texts_of(compiled):
    """Text -> translation, as the pages find it; a plural's forms with their number."""
    with compiled.open("rb") as file:
        return gettext.GNUTranslations(file)._catalog


def test_both_folders_have_the_same_languages():
    languages = [{path.parent.parent.name for path in CATALOGUES if folder in path.parents} for folder in _folders()]
    assert languages[0] == languages[1] >= {"de", "es"}


def _folders():
    return [Path(folder) for folder in settings.LOCALE_PATHS]


@needs_gettext
@pytest.mark.parametrize("path", CATALOGUES, ids=NAMES)
def test_compiled_catalogue_says_what_the_written_one_says(path, tmp_path):
    compiled = tmp_path / "django.mo"
    subprocess.run(["msgfmt", "--check-format", "-o", compiled, path], check=True, timeout=60)
    assert texts_of(compiled) == texts_of(path.with_suffix(".mo")), "run: make messages"


@pytest.mark.parametrize("path", CATALOGUES, ids=NAMES)
def test_no_translation_is_a_guess_of_the_tools(path):
    assert not re.findall(r"^#, .*fuzzy", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("path", CATALOGUES, ids=NAMES)
def test_translation_keeps_placeholders_and_tags(path):
    wrong = []
    for text, said in texts_of(path.with_suffix(".mo")).items():
        original = text[0] if isinstance(text, tuple) else text
        if not original or isinstance(text, tuple):
            continue  # the header; the forms of a plural, which msgfmt checks
        if sorted(PLACEHOLDER.findall(original)) != sorted(PLACEHOLDER.findall(said)):
            wrong.append(original)
    assert wrong == []
