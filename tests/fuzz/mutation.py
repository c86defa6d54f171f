"""Changes to lines and documents: most still have the shape that is expected, because the rest is refused at once."""

import json
import math
import random
from copy import deepcopy
from typing import Any

WORDS = (
    "", " ", "\x00", "0", "-1", "1e400", "nan", "zz", "00", "ff" * 4, "ff" * 40, "0" * 8_000, "\u202e\x9b1m", "\ud800",
    "é" * 200, "a.b.c", ".", "..", "{wallet}", "%s%n", "<b>", "'", "127.0.0.1", "http://[", "mining.notify",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 2, 0.5, -0.0, 1e-320, 5e-324, 1e-9, 1e17, 1e300, 1.7e308, math.inf, -math.inf, math.nan, 255, 256, 65_536,
    2**31, 2**32 - 1, 2**32, 2**53, 2**63, 2**64, 10**30, -(2**63),
)  # fmt: skip
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None] * 300, {"": None}, [[["x"]]])
MAX_DEPTH = 40
"""A document that is put into itself again and again becomes deeper than JSON is written."""
PIECES = (
    b"\n",
    b"\r\n",
    b"\x00",
    b"{",
    b"[" * 3_000,
    b"}" * 3,
    b'"',
    b"\\u0000",
    b"\xff\xfe",
    b"1e999",
    b",",
    b"x" * 9_000,
)


class Mutator:
    """The same ``seed``, the same changes."""

    def __init__(self, seed: object) -> None:
        self.random = random.Random(str(seed))

    def line(self, line: bytes) -> bytes:
        """A line, mostly changed as JSON, seldom as bytes."""
        chance = self.random.random()
        if chance < 0.15:
            return line
        if chance < 0.8:
            try:
                return json.dumps(self.document(json.loads(line))).encode() + b"\n"
            except (ValueError, RecursionError):
                pass
        return self.octets(line)

    def document(self, document: Any) -> Any:
        """A few places of it have another value; the given one stays as it is."""
        document = json.loads(json.dumps(document))
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
            document = self._change(document)
        return document

    def octets(self, line: bytes) -> bytes:
        """Bytes put in, taken away or said twice."""
        for _ in range(self.random.choice((1, 1, 2, 5))):
            start = self.random.randint(0, len(line))
            end = min(len(line), start + self.random.choice((0, 1, 1, 4, 40)))
            middle = self.random.choice(
                (b"", line[start:end] * 2, self.random.randbytes(2), self.random.choice(PIECES))
            )
            line = line[:start] + middle + line[end:]
        return line

    def value(self) -> Any:
        """Some value that is somewhere on an edge."""
        return deepcopy(self.random.choice(self.random.choice((WORDS, NUMBERS, OTHERS))))

    def _change(self, node: Any) -> Any:
        places = list(_places(node))
        if not places:
            return self.value()
        holder, key = self.random.choice(places)
        match self.random.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, holder[key])
            case 1:
                holder[self.random.choice(WORDS)] = holder[key]
            case 2:
                other, at = self.random.choice(places)
                holder[key] = json.loads(json.dumps(other[at]))
            case 3:
                holder[key] = self._near(holder[key])
            case _:
                holder[key] = self.value()
        return node

    def _near(self, value: Any) -> Any:
        """Something like it: numbers a bit off, texts cut or longer, a number as text and the other way round."""
        match value:
            case bool():
                return int(value)
            case int() | float():
                return self.random.choice((value + 1, value - 1, -value, value * 2, value / 3, str(value)))
            case str():
                at = self.random.randint(0, len(value))
                return self.random.choice((value[:at], value + value[at:], value[at:], value.upper(), len(value)))
            case list():
                return self.random.choice((value[:-1], value + value, value[::-1]))
        return [value]


def _places(node: Any, depth: int = MAX_DEPTH) -> Any:
    """Every (container, key) below ``node``, down to a depth."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in list(pairs):
        yield node, key
        if depth:
            yield from _places(inner, depth - 1)
