"""How long a write may wait for somebody else's lock on the database."""

from django.db import Error as DjangoError
from django.db import connection

AT_THE_END_S = 1.0
"""While the process ends: what is not written by then is written by the next run, or was not worth more."""


def wait_at_most(seconds: float) -> None:
    """Limit the wait, for the calling thread's connection until it is closed.

    Raises:
        django.db.Error: the connection was broken; it is closed, so the next use gets another.
    """
    wait_ms = int(seconds * 1000)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                f"PRAGMA busy_timeout = {wait_ms}" if connection.vendor == "sqlite" else f"SET lock_timeout = {wait_ms}"
            )
    except DjangoError:
        connection.close()
        raise
