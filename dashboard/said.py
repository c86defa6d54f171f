"""Says what the proxy said in English in the reader's language, where translators know it."""

from django.utils.formats import get_format
from django.utils.translation import gettext, gettext_noop

from proxy.sentence import Sentence, Value, filled

OF_THE_SYSTEM = (
    gettext_noop("Connection refused"),
    gettext_noop("Connection reset by peer"),
    gettext_noop("No route to host"),
    gettext_noop("Network is unreachable"),
    gettext_noop("Address already in use"),
)
"""What operating systems say most often; the rest stays in their words. Other plain texts are left alone."""
LONGEST = 500
"""Of a text that is looked up."""


def said(text: str) -> str:
    """``text`` in the language of the page. What nobody translated, or somebody else wrote, stays as it is."""
    if not text or len(text) > LONGEST:
        return str(text)
    if not isinstance(text, Sentence):
        return gettext(text) if text in OF_THE_SYSTEM else text
    english = text.template
    template = gettext(english)
    return filled(template, text.values, _value) if text.values else template


def _value(value: Value, form: str) -> str:
    if isinstance(value, Sentence):
        return said(value)
    if isinstance(value, str):
        return str(value)
    return format(value, form).replace(".", str(get_format("DECIMAL_SEPARATOR")))
