"""The admin's action "Test connection" tells, on the list of pools, what came of each step."""

import re

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.test import Client

from proxy.models import Pool
from proxy.simulator.pool import SimPool
from tests.config.rows import make_pool
from tests.ops.checkpool_cast import WALLET, sim_pool

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.no_cover]

PAGE = "/admin/proxy/pool/"


@sync_to_async
def configure(pool: SimPool, key: str = "A", **fields) -> None:
    make_pool(key, **fields).endpoints.update(host="127.0.0.1", port=pool.port)


@sync_to_async
def act(user: User) -> str:
    """Choose all pools and the action; the page that follows."""
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    response = client.post(
        PAGE,
        {"action": "test_connection", "_selected_action": list(Pool.objects.values_list("pk", flat=True))},
        follow=True,
    )
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


async def test_a_good_pool_is_described(admin_user) -> None:
    async with sim_pool() as pool:
        await configure(pool, name="Solo", solo=True)
        page = await act(admin_user)
    assert '<li class="success"><strong>Solo</strong> The connection works.' in page
    assert f"<br>✓ Authorise: accepted as {WALLET}.dpmp" in page
    assert "<br>· Difficulty: 1" in page


async def test_several_pools_are_tested_at_once_and_told_apart(admin_user) -> None:
    async with sim_pool() as good, sim_pool() as bad:
        await configure(good, "A")
        await configure(bad, "B")
        bad.refuse_authorize()
        page = await act(admin_user)
    assert '<li class="success"><strong>A</strong>' in page
    assert '<li class="error"><strong>B</strong> The connection does not work as it should.' in page


async def test_what_a_pool_says_is_escaped(admin_user) -> None:
    async with sim_pool(authorize_delay_s=0.2) as pool:
        await configure(pool, name="<i>x</i>")
        pool.opened = lambda session, opened=pool.opened: (
            opened(session),
            session.notify("client.show_message", ["<script>alert(1)</script>"]),
        )
        page = await act(admin_user)
    assert "client.show_message: &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page and "<i>x</i>" not in page


async def test_more_than_five_pools_are_too_many(admin_user) -> None:
    async with sim_pool() as pool:
        for key in "ABCDEF":
            await configure(pool, key)
        assert "Test at most 5 pools at once." in await act(admin_user)
        assert pool.connections == 0


async def test_a_configuration_that_cannot_be_used_is_told(admin_user) -> None:
    async with sim_pool() as pool:
        await configure(pool)
        await sync_to_async(lambda: Pool.objects.get().endpoints.all().delete())()
        assert "Pool A has no address to connect to." in await act(admin_user)


async def test_who_may_only_look_may_not_test(django_user_model) -> None:
    @sync_to_async
    def looker() -> User:
        user = django_user_model.objects.create_user("looker", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_pool"))
        return user

    async with sim_pool() as pool:
        await configure(pool)
        await act(await looker())
        assert pool.connections == 0
