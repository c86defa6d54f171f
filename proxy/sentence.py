"""Texts of ours that pages say in their reader's language although they are made where nobody knows it.

A sentence is its English text, as the log, the API and alerts have it, and remembers the template and the values that
it was made of; ``dashboard/said.py`` puts the translated template in its place. ``make messages`` finds the templates
by the name ``sentence``.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

Value = str | float
NO_VALUES: Mapping[str, Value] = MappingProxyType({})
_FIELD = re.compile(r"{(\w+)(?::(\.?\d?[dgf]))?}")
"""A name in braces and a format as sentences of ours have them; nothing else that Python's formats could do."""


class Sentence(str):
    """An English text that can be said in other languages. Equal to, and everywhere as good as, the text itself."""

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, Value]

    def __new__(cls, text: str, template: str = "", values: Mapping[str, Value] = NO_VALUES) -> "Sentence":
        """``text`` alone: one that translators may know as it stands."""
        made = super().__new__(cls, text)
        made.template = template or text
        made.values = values
        return made

    @classmethod
    def of(cls, text: str) -> "Sentence":
        """``text``, which is a sentence already or one that translators may know as it stands."""
        return text if isinstance(text, cls) else cls(text)


def sentence(template: str, /, **values: Value) -> Sentence:
    """``template`` with ``values`` in its braces, as ``str.format`` puts them. A value may be a sentence itself."""
    return Sentence(template.format(**values), template, values)


def filled(template: str, values: Mapping[str, Value], show: Callable[[Value, str], str]) -> str:
    """``template`` with ``values`` as ``show`` makes them of a value and its format; of unknown fields, their names.

    For templates that need not be ours: of Python's formats only those of numbers are obeyed.
    """
    return _FIELD.sub(lambda field: show(values.get(field[1], field[0]), field[2] or ""), template)


def checked(text: str, template: str, values: Mapping[str, Value]) -> str:
    """``text``, as the sentence that another process says it is; where that would make another text, ``text`` alone.

    So whoever can send it says in no other language what the text does not say.
    """
    try:
        made = filled(template, values, _in_english)
    except (ValueError, OverflowError):  # a format of whole numbers with a fraction, or one too large to be shown
        return text
    return Sentence(text, template, values) if made == text else text


def _in_english(value: Value, form: str) -> str:
    return str(value) if isinstance(value, str) else format(value, form)
