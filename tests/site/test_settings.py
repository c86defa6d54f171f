"""What the settings make of the environment, asked of a fresh process, and what SQLite makes of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = (
    "DEBUG",
    "SECURE_PROXY_SSL_HEADER",
    "SESSION_COOKIE_SECURE",
    "CSRF_TRUSTED_ORIGINS",
    "CONFIGURED_HOSTS",
    "CHANNEL_LAYERS",
    "DATABASES",
)


def settings_with(env, **variables):
    script = (
        "import json; from dpmp_site import settings;"
        f"print(json.dumps({{name: getattr(settings, name) for name in {NAMES}}}, default=str))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], env=env | variables, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_defaults_need_no_variable_at_all(own_environment):
    found = settings_with(own_environment)
    assert found["DEBUG"] is False and found["SECURE_PROXY_SSL_HEADER"] is None
    assert found["SESSION_COOKIE_SECURE"] is False
    assert found["DATABASES"]["default"]["NAME"] == f"{own_environment['DPMP_DATA_DIR']}/dpmp.sqlite3"
    assert "InMemory" in found["CHANNEL_LAYERS"]["default"]["BACKEND"]


def test_trusted_proxy_makes_cookies_secure_and_believes_its_header(own_environment):
    found = settings_with(
        own_environment, DPMP_TRUST_PROXY="yes", DPMP_CSRF_TRUSTED_ORIGINS="https://d.org", DPMP_ALLOWED_HOSTS="d.org"
    )
    assert found["SESSION_COOKIE_SECURE"] is True
    assert found["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://d.org"] and found["CONFIGURED_HOSTS"] == ["d.org"]


def test_postgresql_comes_from_its_url(own_environment):
    found = settings_with(own_environment, DPMP_DATABASE_URL="postgres://anna:pw@db:5433/dpmp")
    database = found["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db", 5433, "dpmp")
    assert database["OPTIONS"]["connect_timeout"] == 5 and "lock_timeout=5s" in database["OPTIONS"]["options"]


def test_options_in_the_url_of_postgresql_win(own_environment):
    found = settings_with(
        own_environment, DPMP_DATABASE_URL="postgres://a:b@db/dpmp?connect_timeout=30&sslmode=verify-full"
    )
    options = found["DATABASES"]["default"]["OPTIONS"]
    assert int(options["connect_timeout"]) == 30 and options["sslmode"] == "verify-full"
    assert options["tcp_user_timeout"] == 15_000


def pragma(name):
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}")
        return cursor.fetchone()[0]


@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_sqlite_runs_as_it_is_meant_to():
    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 1  # NORMAL
    assert pragma("busy_timeout") == 5000
    assert pragma("foreign_keys") == 1
    assert connection.transaction_mode == "IMMEDIATE"
