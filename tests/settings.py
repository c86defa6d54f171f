"""The project's settings for tests: a data directory of their own, a database file in it, quick password hashes.

With ``DPMP_TEST_DATABASE_URL`` the tests use that PostgreSQL, in databases that they make and drop. Processes that a
test starts have the database that the test says, which is SQLite in most.
"""

import atexit
import os
import shutil
import tempfile

_data_dir = tempfile.mkdtemp(prefix="dpmp-test-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)
# Processes that a test starts inherit it, so that none ever touches the data directory of the checkout.
os.environ["DPMP_DATA_DIR"] = _data_dir
for _name in ("DPMP_DATABASE_URL", "DPMP_REDIS_URL", "DPMP_DEBUG", "DPMP_ALLOWED_HOSTS", "DPMP_TRUST_PROXY"):
    os.environ.pop(_name, None)
_url = os.environ.get("DPMP_TEST_DATABASE_URL", "")
if _url:
    os.environ["DPMP_DATABASE_URL"] = _url

from dpmp_site.settings import *  # noqa: E402, F403
from dpmp_site.settings import DATABASES  # noqa: E402

os.environ.pop("DPMP_DATABASE_URL", None)
if _url:
    DATABASES["default"]["CONN_MAX_AGE"] = 0  # threads that outlive a test would hold its connections open
else:
    # A file: threads share it as in life. The fixture django_db_setup puts it there with all migrations done.
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(_data_dir, "test.sqlite3"), "MIGRATE": False}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each client of a test begins with middleware of its own, and WhiteNoise with a look at all 200 static files: here it
# looks for the one that is asked for.
WHITENOISE_AUTOREFRESH = True
