"""Lines to typed messages and back: the only place where JSON, and with it ``Any``, comes in.

Dialects read: requests, notifications (id null or absent), answers whose error is an array ``[code, text, data]``, an
object ``{code, message, data}`` (MiningCore), a bare string, or missing beside ``reject-reason`` (ckpool).
"""

import json
from typing import Any, NamedTuple, TypeAlias

import orjson

from proxy.errors import RemoteProtocolError
from proxy.text import visible

JsonId: TypeAlias = Any
"""A peer's request id, any JSON value, kept so that it can be echoed exactly."""

MAX_DEPTH = 32
"""Arrays and objects within each other. A subscribe's answer has 4; orjson writes 254, and text of 1,000 ends Python's
recursion, so what is read must be less to be echoed and logged."""


class Request(NamedTuple):
    """A call (``id`` present) or a notification (``id`` None: null or absent)."""

    method: str
    params: list[Any]
    id: JsonId = None


class ErrorInfo(NamedTuple):
    """A refused answer: Stratum code (20 where the peer gave none) and text, which can be shown."""

    code: int
    text: str


class Response(NamedTuple):
    """An answer. ``error`` is None exactly when the call succeeded; ``result`` false alone is no success."""

    id: JsonId
    result: Any
    error: ErrorInfo | None


class NotJson(RemoteProtocolError):
    """A line that is not JSON at all."""


class UnreadableCall(RemoteProtocolError):
    """A call that makes no sense but whose id could be read: it can be answered."""

    def __init__(self, message: str, ident: JsonId) -> None:
        super().__init__(message)
        self.ident = ident


Message: TypeAlias = Request | Response


def decode(line: bytes) -> Message:
    """Read one line.

    Raises:
        NotJson: not JSON.
        RemoteProtocolError: not an object, nested deeper than ``MAX_DEPTH``, or neither a call nor an answer.
    """
    return interpret(parse(line), line)


def parse(line: bytes) -> dict[str, Any]:
    """The first half of ``decode``: JSON to an object, whatever it says.

    Raises:
        NotJson: not JSON.
        RemoteProtocolError: not an object, or nested deeper than ``MAX_DEPTH``.
    """
    try:
        message = orjson.loads(line)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise NotJson(f"not JSON: {error}") from error
    if type(message) is not dict:
        raise RemoteProtocolError("a message must be a JSON object")
    if line.count(b"[") + line.count(b"{") > MAX_DEPTH and _is_too_deep(message):
        raise RemoteProtocolError(f"arrays or objects nested more than {MAX_DEPTH} deep")
    return message


def interpret(message: dict[str, Any], line: bytes) -> Message:
    """The second half of ``decode``: ``message`` is what ``parse`` made of ``line``.

    Raises:
        RemoteProtocolError: neither a call nor an answer.
    """
    ident = message.get("id")
    if type(ident) is float:
        ident = _exact_number(line)
    method = message.get("method")
    if method is not None:
        return _request(method, message, ident)
    if "result" in message or "error" in message:
        return Response(ident, message.get("result"), _error_of(message))
    raise RemoteProtocolError("neither a method nor a result")


def _is_too_deep(message: dict[str, Any]) -> bool:
    """Whether arrays and objects stand in each other deeper than ``MAX_DEPTH``, counting ``message``."""
    level: list[Any] = [message]
    for _ in range(MAX_DEPTH):
        within = (inner for each in level for inner in (each.values() if type(each) is dict else each))
        level = [inner for inner in within if type(inner) is dict or type(inner) is list]
        if not level:
            return False
    return True


def _request(method: Any, message: dict[str, Any], ident: JsonId) -> Request:
    if type(method) is not str:
        raise RemoteProtocolError("method must be a string")
    params = message.get("params")
    if params is None:
        params = []
    elif type(params) is not list:
        if ident is not None:
            raise UnreadableCall("params must be an array", ident)
        raise RemoteProtocolError("params must be an array")
    return Request(method, params, ident)


def _exact_number(line: bytes) -> JsonId:
    """A number as the peer wrote it: an integer over 64 bits would change on its way through a double."""
    try:
        ident = json.loads(line, parse_float=_Raw, parse_int=_Raw).get("id")
    except (ValueError, RecursionError) as error:  # pragma: no cover - orjson has read the line, and it is not deep
        raise NotJson(f"not JSON: {error}") from error
    return orjson.Fragment(str(ident)) if isinstance(ident, _Raw) else ident


class _Raw(str):
    """The text of a number."""


def _error_of(message: dict[str, Any]) -> ErrorInfo | None:
    error = message.get("error")
    if error is None or error is False or error == [] or error == {}:
        if message.get("result") is False:
            return ErrorInfo(20, _text(message.get("reject-reason") or message.get("reason") or "refused"))
        return None
    if type(error) is list:
        return ErrorInfo(_code(error[0]), _text(error[1] if len(error) > 1 else "refused"))
    if type(error) is dict:
        return ErrorInfo(_code(error.get("code")), _text(error.get("message") or "refused"))
    return ErrorInfo(20, _text(error))


def _code(value: Any) -> int:
    return value if type(value) is int else 20


def _text(value: Any) -> str:
    return visible(str(value)[:200])


def encode_response(ident: JsonId, result: Any) -> bytes:
    """An answer that succeeded, newline included."""
    return orjson.dumps({"id": ident, "result": result, "error": None}, option=orjson.OPT_APPEND_NEWLINE)


TRUE = b'{"id":%d,"result":true,"error":null}\n'
"""``encode_response(ident, True)`` for an integer: the answer to nearly every share."""


def encode_error(ident: JsonId, code: int, text: str) -> bytes:
    """A refused answer in the array dialect that every firmware reads."""
    return orjson.dumps({"id": ident, "result": None, "error": [code, text, None]}, option=orjson.OPT_APPEND_NEWLINE)


def encode_false(ident: JsonId, code: int, text: str) -> bytes:
    """A refused login: cgminer 4.11.1 (util.c) and ESP-Miner look at the result, which is to be a bare false."""
    return orjson.dumps({"id": ident, "result": False, "error": [code, text, None]}, option=orjson.OPT_APPEND_NEWLINE)


def encode_notification(method: str, params: list[Any]) -> bytes:
    """A message without an answer; ``id`` is null, which all firmware tolerates (an absent id not all)."""
    return orjson.dumps({"id": None, "method": method, "params": params}, option=orjson.OPT_APPEND_NEWLINE)


SUBMIT = b'{"id":%d,"method":"mining.submit","params":[%b]}\n'
"""``encode_request(ident, "mining.submit", ...)`` with parameters that are JSON ready made, without their brackets."""


def encode_request(ident: int, method: str, params: list[Any]) -> bytes:
    """A call of ours; integer ids because DATUM drops others."""
    return orjson.dumps({"id": ident, "method": method, "params": params}, option=orjson.OPT_APPEND_NEWLINE)
