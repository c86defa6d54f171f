"""Guessing passwords is limited by name and by address, and keeps nobody else out."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, get_hashers
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client, override_settings

from dpmp_site.known_browsers import KNOWN_COOKIE, KNOWN_PEOPLE, KNOWN_SALT
from dpmp_site.logins import _NICENESS as STEP_BACK
from dpmp_site.logins import FAILURES_OF_AN_ADDRESS, HASHED_AT_ONCE, QuietPasswordHasher

pytestmark = pytest.mark.no_cover

PASSWORD = "a long pass phrase"


@pytest.fixture
def ada(db):
    return User.objects.create_user("ada", password=PASSWORD)


def log_in(client, name, password, address):
    answer = client.post(
        "/login/",
        {"username": name, "password": password},
        REMOTE_ADDR=address,
        headers={"user-agent": f"agent of {name}"},
    )
    return answer.status_code


def test_address_that_tries_many_names_is_locked_out(client, ada):
    for number in range(FAILURES_OF_AN_ADDRESS):
        assert log_in(client, f"name{number}", "wrong", "10.0.0.1") == 200
    assert log_in(client, "another", "wrong", "10.0.0.1") == 429
    assert log_in(client, "ada", PASSWORD, "10.0.0.1") == 429


def test_administrator_at_another_address_is_not_kept_out(client, ada):
    for number in range(30):
        for name in ("ada", f"name{number}"):
            log_in(client, name, "wrong", "10.0.0.1")
    assert log_in(client, "ada", "wrong", "10.0.0.1") == 429
    assert log_in(client, "ada", PASSWORD, "10.0.0.2") == 302


def test_name_at_an_address_is_locked_out_before_the_address(client, ada):
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(client, "ada", "wrong", "10.0.0.1")
    assert log_in(client, "ada", PASSWORD, "10.0.0.1") == 429
    assert log_in(client, "bert", "wrong", "10.0.0.1") == 200


def test_success_of_one_name_does_not_forget_the_failures_of_the_others(client, ada):
    for number in range(FAILURES_OF_AN_ADDRESS - 1):
        log_in(client, f"name{number}", "wrong", "10.0.0.1")
    assert log_in(client, "ada", PASSWORD, "10.0.0.1") == 302
    client.logout()
    log_in(client, "another", "wrong", "10.0.0.1")
    assert log_in(client, "ada", PASSWORD, "10.0.0.1") == 429


def test_hashes_are_those_of_django():
    made = QuietPasswordHasher().encode("secret", "salt", 1000)
    assert made == PBKDF2PasswordHasher().encode("secret", "salt", 1000)
    with override_settings(PASSWORD_HASHERS=["dpmp_site.logins.QuietPasswordHasher"]):
        assert check_password("secret", made)


def test_installation_hashes_in_the_quiet_threads():
    from dpmp_site import settings as real

    with override_settings(PASSWORD_HASHERS=real.PASSWORD_HASHERS):
        assert isinstance(get_hashers()[0], QuietPasswordHasher)


def test_only_two_threads_hash_and_with_low_priority(monkeypatch):
    seen = []
    lock = threading.Lock()
    inside = 0

    def encode(self, password, salt, iterations=None):
        nonlocal inside
        with lock:
            inside += 1
            seen.append((inside, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
        threading.Event().wait(0.02)
        with lock:
            inside -= 1
        return "hash"

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    with ThreadPoolExecutor(20) as people:
        list(people.map(lambda _: QuietPasswordHasher().encode("a", "b"), range(20)))
    assert max(count for count, _ in seen) == HASHED_AT_ONCE
    lowest = 19  # what Linux makes of anything above; who runs the tests may already be there
    assert {niceness for _, niceness in seen} == {min(ours + STEP_BACK, lowest)}


def test_flood_at_ones_own_address_does_not_keep_a_known_browser_out(client, ada):
    """Behind a web server that hides addresses, or a router, strangers and owners look the same."""
    assert log_in(client, "ada", PASSWORD, "10.0.0.1") == 302
    client.post("/logout/")
    stranger = Client()
    for number in range(30):
        for name in ("ada", f"name{number}"):
            log_in(stranger, name, "wrong", "10.0.0.1")
    assert log_in(stranger, "ada", PASSWORD, "10.0.0.1") == 429
    assert log_in(client, "ada", PASSWORD, "10.0.0.1") == 302


def test_known_browser_is_locked_out_for_what_it_does_itself(client, ada):
    log_in(client, "ada", PASSWORD, "10.0.0.1")
    client.post("/logout/")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(client, "ada", "wrong", "10.0.0.1")
    assert log_in(client, "ada", PASSWORD, "10.0.0.1") == 429
    assert log_in(Client(), "ada", PASSWORD, "10.0.0.1") == 302


def test_browser_is_known_for_those_alone_who_logged_in_with_it(client, ada):
    User.objects.create_user("eve", password=PASSWORD)
    log_in(client, "eve", PASSWORD, "10.0.0.1")
    client.post("/logout/")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(client, "ada", "wrong", "10.0.0.1")
    assert log_in(client, "ada", PASSWORD, "10.0.0.1") == 429


def test_made_up_mark_of_a_browser_is_none(client, ada):
    client.cookies[KNOWN_COOKIE] = "eyJhIjoiYiJ9:1vABCD:forged"
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(client, "ada", "wrong", "10.0.0.1")
    assert log_in(Client(), "ada", PASSWORD, "10.0.0.1") == 429


def test_mark_of_a_browser_names_nobody_and_is_for_few_people(client, db):
    for number in range(KNOWN_PEOPLE + 2):
        User.objects.create_user(f"person{number}", password=PASSWORD)
        log_in(client, f"person{number}", PASSWORD, "10.0.0.1")
        client.post("/logout/")
    known = signing.loads(client.cookies[KNOWN_COOKIE].value, salt=KNOWN_SALT)
    assert len(known) == KNOWN_PEOPLE and not any("person" in each for each in (*known, *known.values()))
    assert client.cookies[KNOWN_COOKIE]["httponly"]
