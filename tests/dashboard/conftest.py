"""The cast and the stage: people of each group, a read-only link, a snapshot that stands."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from dashboard import live
from dashboard.models import ReadOnlyLink
from dashboard.regions import home
from proxy.models import Allocation, Pool, PoolEndpoint, Schedule, Wallet
from proxy.observe.live.views import store
from tests.dashboard import fixtures

PASSWORD = "a long pass phrase"


@pytest.fixture(autouse=True)
def clean_live():
    """No snapshot and no rendering is left from another test."""
    store.put(fixtures.rich())
    live.renderings.__init__()
    live.frames.__init__()
    home.day_facts.forget()
    yield
    store.__init__()


@pytest.fixture
def person(db):
    """``person("viewer")`` is a user of that group; "" is one without any."""

    def make(group: str) -> User:
        user = User.objects.create_user(group or "nobody", password=PASSWORD)
        if group:
            user.groups.add(Group.objects.get(name=group))
        return User.objects.get(pk=user.pk)

    return make


@pytest.fixture
def browser_of(person):
    """``browser_of("viewer")`` is a logged-in test client."""

    def make(group: str) -> Client:
        client = Client()
        client.force_login(person(group), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


@pytest.fixture
def link_browser(db):
    """A client that came by a read-only link, and the link."""
    link, secret = ReadOnlyLink.make(label="wall", by="ada")
    client = Client()
    assert client.get(f"/view/{secret}/").status_code == 302
    return client, link


@pytest.fixture
def pools(db):
    """Rows of the pools A and B with half each."""
    schedule = Schedule(name="Always", is_default=True)
    schedule.save()
    made = []
    for index, (key, chain) in enumerate((("A", "BTC"), ("B", "BCH"))):
        wallet = Wallet(label=f"wallet {key}", chain=chain, kind="account", address=f"ownername{index}")
        wallet.save()
        pool = Pool(key=key, chain=chain, wallet=wallet)
        pool.save()
        PoolEndpoint(pool=pool, host="127.0.0.1", port=4000 + index).save()
        Allocation(schedule=schedule, pool=pool, weight=50, position=index).save()
        made.append(pool)
    return made
