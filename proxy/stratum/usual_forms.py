"""Lines as nearly all are, read without a general JSON reader: a peer writes each like the one before.

What stands around the numbers is learnt from a line that was read as JSON, and learnt only if the same text around
other numbers reads as JSON with those numbers and no other difference. So a line that has the form says exactly what
its JSON would; any other line is for ``codec``.
"""

import re
from typing import Any, NamedTuple, TypeAlias

from proxy.errors import RemoteProtocolError
from proxy.stratum.codec import parse
from proxy.types import shared

MOST_LEARNT = 16
"""Forms learnt on one connection; a peer that writes each line otherwise is read as JSON."""
_MOST_DIGITS = 15
_ZERO = 48
"""JSON has no number with a zero before other digits; an id 0 is seldom enough to be read as JSON."""
_MOST_USERS = 64
_BITS = 8
"""Characters of a submit's version bits."""
_ID = re.compile(rb'"id"\s*:\s*')
_SAMPLES = (
    (7, ["0a", "00", "11111111", "22222222", "33333333"]),
    (8, ["1b", "01", "44444444", "55555555", "66666666"]),
)
"""Two, alike in nothing: where a line says something twice, one of both shows which of them counts."""


UsualSubmit: TypeAlias = tuple[int, str, list[bytes]]
"""A ``mining.submit`` of six texts: its id, the user's name, and as they came job id, extranonce2, ntime, nonce and
version bits: any bytes, perhaps no hex."""


class SubmitForm(NamedTuple):
    """How one miner writes its submits."""

    opening: bytes
    """What stands before the user's name: from behind the id where that comes first, else from the beginning."""
    between: bytes
    """What stands between two parameters."""
    before_id: bytes
    after_id: bytes
    """Empty where the id comes before the parameters."""
    fixed: bytes
    """What stands on the side of the parameters that has no id."""
    users: dict[bytes, str]
    """User names, by the bytes between their quotes."""

    def read(self, line: bytes) -> UsualSubmit | None:
        """What ``line`` says; None: it has another form."""
        opening, between, before_id, after_id, fixed, users = self
        head, _, rest = line.partition(opening)
        parts = rest.split(between)
        if len(parts) != 6:
            return None
        user, last = users.get(parts.pop(0)), parts[4]
        parts[4], tail = last[:_BITS], last[_BITS:]
        if after_id:
            head, tail = tail, head
        if user is None or tail != fixed or not (head.startswith(before_id) and head.endswith(after_id)):
            return None
        digits = head[len(before_id) : len(head) - len(after_id)]
        if not digits.isdigit() or digits[0] == _ZERO or len(digits) > _MOST_DIGITS:
            return None
        return int(digits), user, parts

    def written(self, ident: bytes, user: bytes, others: list[bytes]) -> bytes:
        """The line that says this."""
        params = self.opening + self.between.join([user, *others])
        with_id = self.before_id + ident + self.after_id
        return self.fixed + params + with_id if self.after_id else with_id + params + self.fixed


def learn_submit(line: bytes, message: dict[str, Any], known: SubmitForm | None) -> SubmitForm | None:
    """The form of ``line``, of which JSON made ``message``; ``known``, with one user more, where only the user is new.

    None: no form can be learnt from it.
    """
    params = message.get("params")
    if type(params) is not list or len(params) != 6 or set(map(type, params)) != {str} or len(params[5]) != _BITS:
        return None
    for between in (b'","', b'", "'):
        numbers = between.join([b"", *(text.encode() for text in params[1:])])
        user_ends = line.find(numbers)
        user_begins = line.rfind(b'["', 0, max(user_ends, 0)) + 2
        if user_begins < 2:
            continue
        user = line[user_begins:user_ends]
        form = _around(message.get("id"), line[:user_begins], between, line[user_ends + len(numbers) :])
        if form is None or not _says_the_same(form, user, message):
            continue
        if known is not None and known[:5] == form[:5] and len(known.users) < _MOST_USERS:
            form = known
        form.users[user] = params[0]
        return form
    return None


def _around(ident: object, head: bytes, between: bytes, tail: bytes) -> SubmitForm | None:
    """A form without users of what stands before the user's name and behind the version bits."""
    first, last = _id_within(head, ident), _id_within(tail, ident)
    if first is not None:
        return SubmitForm(first[1], between, first[0], b"", shared(tail), {})
    if last is not None and last[1]:
        return SubmitForm(shared(head), between, last[0], last[1], b"", {})
    return None


def _says_the_same(form: SubmitForm, user: bytes, message: dict[str, Any]) -> bool:
    return all(
        _reads_as(
            form.written(b"%d" % ident, user, [text.encode() for text in others]),
            {**message, "id": ident, "params": [message["params"][0], *others]},
        )
        for ident, others in _SAMPLES
    )


class AnswerForm(NamedTuple):
    """How one pool writes that it accepts a share."""

    before_id: bytes
    after_id: bytes

    def ident(self, line: bytes) -> int:
        """The id in ``line``; -1: it has another form."""
        before, after = self
        if not line.startswith(before) or not line.endswith(after):
            return -1
        digits = line[len(before) : len(line) - len(after)]
        return int(digits) if digits.isdigit() and digits[0] != _ZERO and len(digits) <= _MOST_DIGITS else -1


def learn_answer(line: bytes, message: dict[str, Any]) -> AnswerForm | None:
    """The form of ``line``, of which JSON made ``message``; None: no form can be learnt from it."""
    around = _id_within(line, message.get("id"))
    if around is None:
        return None
    alike = [_reads_as((b"%d" % ident).join(around), {**message, "id": ident}) for ident, _ in _SAMPLES]
    return AnswerForm(*around) if all(alike) else None


def _id_within(text: bytes, ident: object) -> tuple[bytes, bytes] | None:
    """What stands before and behind the digits of ``ident`` as the value of "id" in ``text``."""
    if type(ident) is not int or ident < 0:
        return None
    digits = b"%d" % ident
    for found in _ID.finditer(text):
        at = found.end()
        if text.startswith(digits, at):
            return shared(text[:at]), shared(text[at + len(digits) :])
    return None


def _reads_as(line: bytes, message: dict[str, Any]) -> bool:
    try:
        return parse(line) == message
    except RemoteProtocolError:  # pragma: no cover - other digits and texts in a line that JSON has read
        return False
