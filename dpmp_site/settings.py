"""Django's settings: everything that depends on the machine comes from ``DPMP_*`` variables and none is needed."""

import os
from importlib.util import find_spec
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from dpmp_site.bootstrap import prepare_data_dir, secret_key
from dpmp_site.env import VARIABLES, Environment
from dpmp_site.languages import languages
from proxy.ops.private_files import close_to_others

BASE_DIR = Path(__file__).resolve().parent.parent
IN_CHECKOUT = (BASE_DIR / "manage.py").is_file()
RESOURCES = BASE_DIR if IN_CHECKOUT else Path(__file__).resolve().parent
"""Where ``templates`` and ``docs`` are: a wheel has them in this package."""
_env = Environment()

DATA_DIR = prepare_data_dir(_env.path("DPMP_DATA_DIR", BASE_DIR / "data"))
os.umask(0o077)  # what is made from here on is for this user alone
CLOSED_TO_OTHERS = close_to_others(DATA_DIR)
"""For doctor: what other users could read or write until this start."""
SECRET_KEY = secret_key(DATA_DIR)
DEBUG = _env.switch("DPMP_DEBUG")
DPMP_VARIABLES = VARIABLES
"""For the page that says which setting comes from where."""

INSTALLED_APPS = [
    "dpmp_site.apps.ConfigurationConfig",  # Django's admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_prometheus",
    "django_htmx",
    "axes",
    "allauth",  # its texts in other languages
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "proxy.apps.ProxyConfig",
    "dashboard.apps.DashboardConfig",
]

MIDDLEWARE = [
    "dpmp_site.hosts.HostGuardMiddleware",  # first: a refused name gets nothing, static files included
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "dpmp_site.headers.SecurityHeadersMiddleware",
    "dpmp_site.compression.CompressionMiddleware",  # before all that reads the text of an answer
    "dpmp_site.visible.VisibleTextMiddleware",
    "dpmp_site.static.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "dpmp_site.urls"
ASGI_APPLICATION = "dpmp_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [RESOURCES / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database -------------------------------------------------------------------------------------------------------

_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": DATA_DIR / "dpmp.sqlite3",
    "OPTIONS": {
        "timeout": 5,
        "transaction_mode": "IMMEDIATE",  # a writer waits at BEGIN instead of failing in the middle
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
}

_POSTGRESQL = {"connect_timeout": 5, "tcp_user_timeout": 15_000, "options": "-c lock_timeout=5s"}
"""A server that is gone, or a lock that stays, is an error after seconds (as with SQLite), and no thread that hangs."""


def _database() -> dict[str, object]:
    url = _env.url("DPMP_DATABASE_URL", ("postgres", "postgresql"))
    if not url:
        return _SQLITE
    try:
        found = dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True)
    except ValueError as error:
        raise ImproperlyConfigured("DPMP_DATABASE_URL cannot be read as a database URL.") from error
    if find_spec("psycopg") is None:
        raise ImproperlyConfigured("DPMP_DATABASE_URL needs a package more. Run: pip install 'psycopg[binary]'")
    return {**found, "OPTIONS": {**_POSTGRESQL, **found.get("OPTIONS", {})}}


DATABASES = {"default": _database()}
NODE = _env.text("DPMP_NODE")
"""As it was given; ``proxy.nodes.identity`` makes the name of it."""
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _redis_url() -> str:
    url = _env.url("DPMP_REDIS_URL", ("redis", "rediss", "unix"))
    if url and (find_spec("redis") is None or find_spec("msgspec") is None):
        raise ImproperlyConfigured("DPMP_REDIS_URL needs two packages more. Run: pip install redis msgspec")
    return url


REDIS_URL = _redis_url()
"""Where nodes publish what they see; "": this proxy knows of no other."""
# Each process tells its own pages of its own snapshots: they go on without Redis.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# --- Languages and time ---------------------------------------------------------------------------------------------

LANGUAGE_CODE = _env.text("DPMP_LANGUAGE", "en")
LOCALE_PATHS = [BASE_DIR / "dashboard" / "locale", BASE_DIR / "proxy" / "locale"]
LANGUAGES = languages(LOCALE_PATHS)
USE_I18N = True
LANGUAGE_COOKIE_AGE = 365 * 86400  # a choice is for longer than a browser is open
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True
TIME_ZONE = "UTC"
USE_TZ = True

# --- Static files: straight from the apps, so that a fresh checkout needs no collectstatic ---------------------------

STATIC_URL = "/static/"
STATIC_ROOT = None
# The page about the API shows the OpenAPI document with the files that django-ninja brings; as one of INSTALLED_APPS
# it would be loaded by everybody, and it is large.
_ninja = find_spec("ninja")
STATICFILES_DIRS = [Path(_ninja.origin).parent / "static"] if _ninja and _ninja.origin else []
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 0 if DEBUG else 300

# --- People ---------------------------------------------------------------------------------------------------------

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "dpmp_site.logins.QuietPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # an attempt that is refused writes nothing, and the lock ends
# Name and address together: a stranger on the network cannot lock the administrator out. LoginLimits adds a limit
# for all names that one address tries.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "dpmp_site.logins.LoginLimits"
AXES_CLIENT_IP_CALLABLE = "dpmp_site.hosts.client_address"
AXES_USERNAME_CALLABLE = "dpmp_site.logins.counted_name"
AXES_VERBOSE = False

# Logins are django-allauth's; its addresses are in dpmp_site.account_urls. Nobody signs up, and nothing needs mail.
ACCOUNT_ADAPTER = "dpmp_site.accounts.AccountAdapter"
ACCOUNT_FORMS = {"login": "dpmp_site.account_forms.NameAndPassword"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True  # for two weeks, as Django does
ACCOUNT_REAUTHENTICATION_METHODS = {"password", "mfa"}
# Axes counts wrong passwords: allauth would lock a name, which keeps its owner out. The tries at the second factor are
# those of our own forms, for one person.
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": None, "second_factor": "5/5m/key", "provider_login": "30/m/ip"}
SOCIALACCOUNT_ADAPTER = "dpmp_site.oidc_accounts.ProviderAccounts"
MFA_ADAPTER = "dpmp_site.accounts.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "dpmp_site.account_forms.SecondFactorCode",
    "reauthenticate": "dpmp_site.account_forms.CodeAgain",
    "add_webauthn": "dpmp_site.passkey_forms.AnotherPasskey",
    "login_webauthn": "dpmp_site.passkey_forms.PasskeyAlone",
    "authenticate_webauthn": "dpmp_site.passkey_forms.PasskeyAfterPassword",
    "reauthenticate_webauthn": "dpmp_site.passkey_forms.PasskeyAgain",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # there are no addresses to verify
MFA_TOTP_TOLERANCE = 1  # half a minute: clocks in homes are wrong
MFA_TOTP_ISSUER = "DPMP"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "dpmp_counted_tries",
        "OPTIONS": {"MAX_ENTRIES": 5000},
    }
}
"""Used codes and counted tries; in the database, so that all processes know them (``dashboard.models.CountedTry``), and
so many that a stranger cannot make it forget them."""

# --- What a browser may do ------------------------------------------------------------------------------------------

TRUST_PROXY = _env.switch("DPMP_TRUST_PROXY")
WATCH_LOOP = _env.switch("DPMP_WATCH_LOOP")
WIDGET = _env.switch("DPMP_WIDGET")
CONFIGURED_HOSTS = _env.names("DPMP_ALLOWED_HOSTS")
ALLOWED_HOSTS = ["*"]  # dpmp_site.hosts decides, with rules that a list of names cannot express
CSRF_TRUSTED_ORIGINS = _env.names("DPMP_CSRF_TRUSTED_ORIGINS")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "dpmp_session"  # cookies know no ports: other software on the box has a "sessionid" too
CSRF_COOKIE_NAME = "dpmp_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
# Plain http is the rule on a LAN; behind a proxy that ends TLS, cookies only travel encrypted.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = TRUST_PROXY
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = None  # browsers ignore it on plain http and complain
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
SILENCED_SYSTEM_CHECKS = [
    "security.W004",
    "security.W008",
    "security.W012",
    "security.W016",  # TLS is a front server's business
]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {name: {"level": "WARNING"} for name in ("axes", "daphne", "twisted")},
}
