"""Guessing passwords is limited by name and by address, and keeps nobody else out."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, get_hashers
from django.contrib.auth.models import User
from django.test import override_settings

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
