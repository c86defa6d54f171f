"""Fixtures of the attacks that are short enough for the suite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.abuse.subject import Workshop


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts a real proxy."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def shop(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Where proxies are made."""
    made = Workshop(tmp_path_factory.mktemp("attacked"), migrated)
    yield made
    made.close()
