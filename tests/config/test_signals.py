"""A commit that changes the configuration tells this process, once it is certain."""

from itertools import pairwise

import pytest
from django.db import transaction

from proxy.config.loader import current_revision
from proxy.config.watcher import changed
from proxy.models import AlertRule, AlertTarget, PoolFact, ProxySettings
from tests.config.rows import make_pool


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


@pytest.mark.django_db
def test_whom_a_rule_tells_is_a_change_and_the_same_once_more_is_none(
    notices, django_capture_on_commit_callbacks
) -> None:
    AlertRule.ensure()
    rule = AlertRule.objects.get(kind="pool_down")
    target = AlertTarget(label="me", url="json://127.0.0.1:1/x")
    target.save()
    revisions = [current_revision()]
    for change in (
        lambda: rule.targets.set([target]),
        lambda: rule.targets.set([target]),
        rule.targets.clear,
        lambda: target.rules.add(rule),
        lambda: target.rules.remove(rule),
    ):
        notices.clear()
        with django_capture_on_commit_callbacks(execute=True):
            change()
        revisions.append(current_revision())
        assert bool(notices) is (revisions[-1] > revisions[-2])
    assert [after > before for before, after in pairwise(revisions)] == [True, False, True, True, True]
