"""The templates of the stages, written once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.templates import OVERLAY, PATIENCE_S, Templates, templates_of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first waits until CDK has written the templates of its stage."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(2 * PATIENCE_S))


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return templates_of("dev", tmp_path_factory)


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return templates_of("prod", tmp_path_factory)


@pytest.fixture(scope="session")
def private(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Production with a private configuration over it: network and database that exist."""
    return templates_of("prod", tmp_path_factory, OVERLAY)
