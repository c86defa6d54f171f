"""Fixtures of the attacks that are short enough for the suite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.abuse.subject import Workshop, workshop


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts a real proxy."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
async def shop() -> AsyncIterator[Workshop]:
    """Where proxies are made."""
    async with workshop() as made:
        yield made
