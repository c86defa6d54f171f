"""A commit that changes the configuration tells this process, once it is certain."""

import pytest
from django.db import transaction

from proxy.conf.reload import changed
from proxy.models import PoolFact, ProxySettings
from tests.conf.rows import make_pool


@pytest.fixture
def notices():
    heard: list[int] = []

    def hear(**_: object) -> None:
        heard.append(1)

    changed.connect(hear)
    yield heard
    changed.disconnect(hear)


@pytest.mark.django_db
def test_nothing_is_said_before_the_commit(notices, django_capture_on_commit_callbacks) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        ProxySettings().save()
        assert notices == []
    assert notices


@pytest.mark.django_db
def test_what_the_proxy_learned_is_no_change(notices, django_capture_on_commit_callbacks) -> None:
    pool = make_pool()
    with django_capture_on_commit_callbacks(execute=True):
        PoolFact.objects.create(pool=pool, extranonce2_size=4)
    assert notices == []
