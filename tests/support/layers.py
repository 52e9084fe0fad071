"""On which databases a test runs, and how: pytest's hooks."""

from collections.abc import Generator
from typing import Any

import pytest
from cluster import make_system_user
from hypothesis import HealthCheck, settings
from partitions import PARTITIONED
from sent_sql import sent_by

import database

# The files that run on a table in partitions too: all about what the endpoints do.
ON_PARTITIONS = (
    "test_tasks_",
    "test_lists_",
    "test_stats",
    "test_bulk",
    "test_idempotency",
    "test_partitions",
)
# Who is let in is decided before the database is asked.
ON_SQLITE_ALONE = ("test_tokens_", "test_keys", "test_forgeries")

# The fixtures are made once for all examples of a test; each example looks at one task only.
settings.register_profile(
    "full",
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("full")


def is_meant(item: pytest.Item) -> bool:
    """Whether the test is to run on this database of the fixture `engine`."""
    on = _parameters(item).get("engine", "sqlite")
    file = item.path.name
    if item.get_closest_marker("without_sql") or file.startswith(ON_SQLITE_ALONE):
        return bool(on == "sqlite")
    return on != PARTITIONED or file.startswith(ON_PARTITIONS)


def _parameters(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        make_system_user()  # the workers would, all at the same moment


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = filter(is_meant, items)
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: Any
) -> Generator[None, object, object]:
    """Make what failed anew for the next test. pytest would repeat the error to each of them."""
    try:
        return (yield)
    except BaseException:
        fixturedef.finish(request)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Hold `without_sql` to its word."""
    if not item.get_closest_marker("without_sql"):
        return (yield)
    with sent_by(database.engine) as sent:
        yield
    assert sent == []
