"""The languages that the pages can speak: English, and every one whose translation is there."""

from collections.abc import Iterable
from pathlib import Path

from django.conf.locale import LANG_INFO

SOURCE = ("en", "English")


def languages(locale_paths: Iterable[Path]) -> list[tuple[str, str]]:
    """Code and own name of each language that has a compiled catalogue in one of ``locale_paths``, English first."""
    folders = {found.parent.parent.name for path in locale_paths for found in path.glob("*/LC_MESSAGES/django.mo")}
    codes = sorted({name.replace("_", "-").lower() for name in folders} - {SOURCE[0]})
    return [SOURCE, *((code, str(LANG_INFO.get(code, {}).get("name_local", code))) for code in codes)]
