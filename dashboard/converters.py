"""Workers name themselves: makes any name, also one with slashes or only dots, one part of a path."""

from urllib.parse import quote, unquote

NAMELESS = "~"


class WorkerConverter:
    """A worker's name as one part of a path. Plain names look as they are."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        """The name behind a path part."""
        return "" if value == NAMELESS else unquote(value)

    def to_url(self, value: str) -> str:
        """The path part of a name; Django quotes it once more, and the browser's request takes that off again."""
        if not value:
            return NAMELESS
        quoted = quote(value, safe="")
        return quoted.replace(".", "%2E") if set(value) == {"."} else quoted.replace("~", "%7E")
