"""Lines to messages: every dialect, and garbage that ends as a typed error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import RemoteProtocolError
from proxy.stratum.codec import MAX_DEPTH, ErrorInfo, Request, Response, decode, encode_response


@given(st.binary(max_size=300))
def test_garbage_is_a_typed_error_or_a_message_and_never_anything_else(line: bytes) -> None:
    try:
        assert isinstance(decode(line), Request | Response)
    except RemoteProtocolError as error:
        assert str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.no_cover
@given(st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error", "reject-reason"]), JSON))
def test_any_json_object_is_a_message_or_a_typed_error(message: dict[str, object]) -> None:
    import json

    try:
        assert isinstance(decode(json.dumps(message).encode()), Request | Response)
    except RemoteProtocolError as error:
        assert str(error)


@pytest.mark.parametrize(
    "raw", ["0", "null", '"xnsub"', '""', "-1", "1.5", "12345678901234567890123456789", "1e3", "true", "[1]", '{"a":1}']
)
def test_an_id_is_echoed_exactly(raw: str) -> None:
    request = decode(f'{{"id":{raw},"method":"mining.ping","params":[]}}'.encode())
    assert encode_response(request.id, True) == f'{{"id":{raw},"result":true,"error":null}}\n'.encode()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"id":1,"result":null,"error":[23,"Low difficulty",null]}', ErrorInfo(23, "Low difficulty")),
        (
            b'{"id":1,"result":false,"error":{"code":21,"message":"Job not found","data":null}}',
            ErrorInfo(21, "Job not found"),
        ),
        (b'{"id":1,"result":null,"error":"Stale"}', ErrorInfo(20, "Stale")),
        (b'{"id":1,"result":false,"reject-reason":"Invalid version mask"}', ErrorInfo(20, "Invalid version mask")),
        (b'{"id":1,"result":false,"error":null}', ErrorInfo(20, "refused")),
        (b'{"id":1,"result":true,"error":null}', None),
        (b'{"id":1,"result":true,"error":[]}', None),
        (b'{"id":1,"result":true}', None),
        (b'{"id":1,"result":null,"error":[]}', None),
    ],
)
def test_every_error_dialect_is_read(line: bytes, error: ErrorInfo | None) -> None:
    assert decode(line).error == error


def test_deep_json_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="not JSON"):
        decode(b'{"id":1,"method":"x","params":' + b"[" * 5000 + b"]" * 5000 + b"}")


@pytest.mark.parametrize("depth", [MAX_DEPTH, 253, 254, 1000, 1023])
@pytest.mark.parametrize(
    "line",
    [
        '{"id":%s,"method":"mining.ping","params":[]}',
        '{"id":1.5,"method":"mining.ping","params":%s}',
        '{"id":1,"result":%s,"error":null}',
        '{"id":1,"result":null,"error":[20,%s]}',
        '{"id":1,"result":null,"error":{"message":%s}}',
    ],
)
def test_what_is_nested_deeper_than_can_be_echoed_or_shown_is_a_protocol_error(line: str, depth: int) -> None:
    for left, right in (("[", "]"), ('{"a":', "}")):
        nested = left * depth + ("1" if left != "[" else "") + right * depth
        with pytest.raises(RemoteProtocolError):
            decode((line % nested).encode())


@pytest.mark.parametrize("depth", [1, MAX_DEPTH - 1])
def test_an_id_that_is_nested_less_is_echoed_and_brackets_in_texts_are_no_nesting(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    request = decode(f'{{"id":{nested},"method":"mining.ping","params":["{"[{" * 400}"]}}'.encode())
    assert isinstance(request, Request)
    assert encode_response(request.id, True) == f'{{"id":{nested},"result":true,"error":null}}\n'.encode()


@pytest.mark.parametrize("line", [b'{"method":5}', b'{"method":"x","params":{}}', b"[]", b"1", b"{}", b'{"id":1}'])
def test_wrong_types_are_refused(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(line)
