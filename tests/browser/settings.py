"""Settings of the server process of the browser tests: its data directory comes from the test that starts it."""

from dpmp_site.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
