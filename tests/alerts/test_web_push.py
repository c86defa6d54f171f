"""A message for a browser is what RFC 8291 and RFC 8292 say; its addresses and keys are hostile until checked."""

import json

import pytest

from proxy.alerts.web_push import (
    MAX_PAYLOAD,
    BadSubscription,
    authorization,
    b64,
    check_endpoint,
    check_keys,
    encrypt,
    payload,
    point_of,
    private_bytes,
    private_key,
    unb64,
)
from tests.alerts.push_service import Browser, read_vapid

# RFC 8291, section 5 and appendix A.
TEXT = b"When I grow up, I want to be a watermelon"
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SENDER_POINT = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
RECEIVER = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
RECEIVER_POINT = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SALT, AUTH = "DGv6ra1nlYgDCS1FRnbzlw", "BTBZMqHH6r4Tts7J_aSIgg"
MESSAGE = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_example_of_the_rfc_comes_out_byte_for_byte():
    made = encrypt(
        TEXT,
        receiver=unb64(RECEIVER_POINT),
        auth=unb64(AUTH),
        sender=private_key(unb64(SENDER)),
        salt=unb64(SALT),
    )
    assert b64(made) == MESSAGE


def test_keys_of_the_rfc_are_read_and_written():
    key = private_key(unb64(SENDER))
    assert b64(point_of(key)) == SENDER_POINT and b64(private_bytes(key)) == SENDER


def test_browser_reads_the_example_by_steps_of_its_own():
    assert Browser(private=unb64(RECEIVER), auth=unb64(AUTH)).read(unb64(MESSAGE)) == TEXT


def test_another_browser_cannot_read_it():
    with pytest.raises(ValueError, match="cannot be decrypted"):
        Browser(auth=unb64(AUTH)).read(unb64(MESSAGE))


def test_signature_names_the_service_the_time_and_whom_to_ask():
    key = private_key(unb64(SENDER))
    header = authorization(key, "https://push.example.org", "https://example.org/about", 1_000_000.0)
    claims, point = read_vapid(header)
    assert claims == {"aud": "https://push.example.org", "exp": 1_043_200, "sub": "https://example.org/about"}
    assert b64(point) == SENDER_POINT


def test_signature_of_another_key_is_noticed():
    ours = authorization(private_key(unb64(SENDER)), "https://push.example.org", "https://example.org", 0.0)
    other = b64(point_of(private_key(unb64(RECEIVER))))
    with pytest.raises(ValueError, match="signature"):
        read_vapid(ours.replace(SENDER_POINT, other))


@pytest.mark.parametrize(
    "url",
    [
        "https://fcm.googleapis.com/fcm/send/abc:def",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAA_-x=",
        "https://web.push.apple.com/Qabc?x=1",
        "https://wns2-par02p.notify.windows.com/w/?token=BQYAAAD%2b",
        "https://PUSH.example.org:443/x",
    ],
)
def test_address_of_a_push_service_is_taken(url):
    host, port = check_endpoint(url)
    assert host in url.lower() and port == 443


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://push.example.org/x",
        "file:///etc/passwd",
        "https:///x",
        "https://localhost/x",
        "https://router/x",
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://0x7f.1/x",
        "https://2130706433/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://me@push.example.org/x",
        "https://push.example.org@127.0.0.1/x",
        "https://push.example.org:8443/x",
        "https://push.example.org:x/",
        "https://push.example.org:99999/",
        "https://push.example.org\\@127.0.0.1/x",
        "https://push.example.org/x#y",
        "https://push.example.org/a b",
        "https://push.example.org/\r\nHost: x",
        "https://push.example.org/ü",
        "https://-a.example.org/",
        "https://[oops/",
        f"https://push.example.org/{'x' * 1000}",
        f"https://{'a.' * 130}org/",
    ],
)
def test_address_that_leads_anywhere_else_is_refused(url):
    with pytest.raises(BadSubscription):
        check_endpoint(url)


def test_another_port_is_only_for_those_who_say_so():
    assert check_endpoint("https://push.example.org:8443/x", any_port=True) == ("push.example.org", 8443)


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        ("", AUTH),
        (RECEIVER_POINT, ""),
        (RECEIVER_POINT, RECEIVER_POINT),
        (RECEIVER_POINT[:-4], AUTH),
        ("B" + "A" * 86, AUTH),
        ("A" + RECEIVER_POINT[1:], AUTH),
        (RECEIVER_POINT, "no base 64 at all!"),
        (RECEIVER_POINT, "abcde"),
    ],
)
def test_keys_that_are_none_are_refused(p256dh, auth):
    with pytest.raises(BadSubscription):
        check_keys(p256dh, auth)


def test_keys_of_a_browser_are_taken_with_and_without_padding():
    assert check_keys(RECEIVER_POINT + "=", AUTH + "==") == (unb64(RECEIVER_POINT), unb64(AUTH))


def test_text_that_is_too_long_is_cut_and_stays_readable():
    made = payload(title="t" * 400, body='ü"\n\x01😀' * 5000, tag="x", page="alerts/", level="bad")
    said = json.loads(made)
    assert len(made) <= MAX_PAYLOAD and said["body"].startswith('ü"\n') and len(said["title"]) == 250


def test_half_a_character_does_not_stop_a_message():
    assert json.loads(payload(title="a\ud800", body="b", tag="", page="", level="bad"))["title"] == "a?"
