"""``manage.py checkpool``: a table, and an exit code that scripts can use."""

from io import StringIO

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command

from tests.config.rows import make_pool
from tests.ops.checkpool_cast import WALLET, SimPool, sim_pool

pytestmark = pytest.mark.django_db(transaction=True)


async def run(*arguments: str) -> tuple[str, str]:
    """The table, and the error that makes the exit code 1 (empty: 0)."""
    out = StringIO()
    try:
        await sync_to_async(call_command)("checkpool", *arguments, stdout=out)
    except CommandError as error:
        assert error.returncode == 1
        return out.getvalue(), str(error)
    return out.getvalue(), ""


@sync_to_async
def configure(pool: SimPool, **fields) -> None:
    make_pool(**fields).endpoints.update(host="127.0.0.1", port=pool.port)


async def test_a_configured_pool_is_tested_by_its_key() -> None:
    async with sim_pool() as pool:
        await configure(pool, password="x")
        table, error = await run("A")
    assert error == ""
    assert f"ok  Authorise     accepted as {WALLET}.dpmp\n" in table
    assert "    Version mask  1fffe000\n" in table
    assert all(len(line) <= 100 for line in table.splitlines())


async def test_a_failed_step_is_marked_and_ends_with_an_error() -> None:
    async with sim_pool() as pool:
        pool.refuse_authorize()
        table, error = await run(f"127.0.0.1:{pool.port}", "--user", "alice.rig", "--password", "secret")
    assert "!!  Authorise     refused as alice.rig: Unauthorized." in table
    assert error.startswith("Authorise: refused") and "secret" not in table + error


async def test_an_address_is_tested_with_tls_where_asked() -> None:
    async with sim_pool() as pool:
        for option in ("--tls", "--tls-insecure"):
            table, error = await run(f"127.0.0.1:{pool.port}", option, "--timeout", "3")
            assert "does not speak TLS" in error and "with TLS" in table


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("Q",), 'There is no pool "Q". Give the key of a pool (A), or host:port.'),
        (("pool.example",), 'There is no pool "pool.example".'),
        (("A", "--tls"), "go with HOST:PORT"),
        (("A", "--timeout", "-1"), "The time to wait is above 0"),
        (("a.example:0",), "A port is a number from 1 to 65535."),
    ],
)
async def test_what_makes_no_sense_is_said(arguments: tuple[str, ...], sentence: str) -> None:
    await sync_to_async(make_pool)()
    table, error = await run(*arguments)
    assert table == "" and sentence in error
