"""Parts of addresses: the name of a worker, which may hold slashes or only dots, and whatever is below an address."""

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


class AnyConverter:
    """The rest of a path whatever it holds, line ends too: what is below the API's address is answered by the API."""

    regex = "(?s:.+)"

    def to_python(self, value: str) -> str:
        """As it is."""
        return value

    def to_url(self, value: str) -> str:
        """As it is."""
        return value
