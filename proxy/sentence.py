"""Texts of ours that pages say in their reader's language although they are made where nobody knows it.

A sentence is its English text, as the log, the API and alerts have it, and remembers the template and the values that
it was made of; ``dashboard/said.py`` puts the translated template in its place. ``make messages`` finds the templates
by the name ``sentence``.
"""

from collections.abc import Mapping
from types import MappingProxyType

Value = str | float
NO_VALUES: Mapping[str, Value] = MappingProxyType({})


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
