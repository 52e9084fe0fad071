"""Which tests run, on which databases, and how: pytest's hooks."""

from collections.abc import Generator, Iterator
from io import StringIO
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from by_fastapi import BY_FASTAPI, without_direct_routes
from cluster import make_system_user
from hypothesis import HealthCheck, settings
from partitions import PARTITIONED
from processes import ROOT
from sent_sql import sent_by
from sqlalchemy.engine import make_url

import database
import main

# The files that run on a table in partitions too: all about what the endpoints do.
ON_PARTITIONS = (
    "test_tasks_",
    "test_lists_",
    "test_stats",
    "test_bulk",
    "test_idempotency",
    "test_partitions",
)
# The files that run without direct routes too, on SQLite: what is answered, and what is refused.
BY_FASTAPI_TOO = (
    "test_tasks_",
    "test_validation_",
    "test_authorization",
    "test_lists_parameters",
    "test_bulk",
    "test_idempotency",
    "test_errors",
)
# Who is let in is decided before the database is asked.
ON_SQLITE_ALONE = ("test_tokens_", "test_keys", "test_forgeries")
# The fixtures that start a process. A database is in the parameters.
PROCESSES = {"cluster", "postgresql_url", "run_service", "app_folder", "run_program"}

# The fixtures are made once for all examples of a test; each example looks at one task only.
settings.register_profile(
    "full",
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.register_profile("quick", settings.get_profile("full"), max_examples=5)
settings.load_profile("full")

LEFT_OUT = pytest.StashKey[int]()


def databases(test: pytest.Item) -> list[str]:
    """The parameters of the fixture `engine` with which the test is to run."""
    file = test.path.name
    by_fastapi = [BY_FASTAPI] if file.startswith(BY_FASTAPI_TOO) else []
    if test.get_closest_marker("without_sql") or file.startswith(ON_SQLITE_ALONE):
        return ["sqlite", *by_fastapi]
    on_partitions = [PARTITIONED] if file.startswith(ON_PARTITIONS) else []
    return ["postgresql", *on_partitions, "sqlite", *by_fastapi]


def is_quick(item: pytest.Item) -> bool:
    """Whether the test needs neither PostgreSQL nor any other process, and is not run once more."""
    on = {"postgresql", PARTITIONED, BY_FASTAPI} & {
        str(value) for value in _parameters(item).values()
    }
    return not on and PROCESSES.isdisjoint(getattr(item, "fixturenames", ()))


def _parameters(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="run what `layers.is_quick` names")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        refuse_missing_revision()
        make_system_user()  # the workers would, all at the same moment


def refuse_missing_revision() -> None:
    """End the run here: without the revision, whatever asks the database ends in another error."""
    engine = database.make_engine(make_url("sqlite://"))
    try:
        with engine.connect() as connection:
            config = Config(
                toml_file=ROOT / "pyproject.toml",
                attributes={"connection": connection},
                stdout=StringIO(),
            )
            command.upgrade(config, "head")
            command.check(config)
    except CommandError as difference:
        raise pytest.UsageError(
            "models.py has what no revision in migrations/versions makes (docs/development.md,"
            f' "Change the table"): {difference}'
        ) from None
    finally:
        engine.dispose()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    test = metafunc.definition
    has_own = hasattr(metafunc.module, "engine")
    if "engine" in metafunc.fixturenames and not has_own and not _names_databases(test):
        # Tests that would be left out are not even made, which takes a second in each worker.
        on = ["sqlite"] if metafunc.config.option.quick else databases(test)
        metafunc.parametrize("engine", on, indirect=True, scope="session")


def _names_databases(test: pytest.Item) -> bool:
    return any(mark.args[0] == "engine" for mark in test.iter_markers("parametrize"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)
    if config.option.quick:
        quick = [*filter(is_quick, items)]
        config.stash[LEFT_OUT] = sum(map(_runs, items)) - len(quick)
        items[:] = quick


def _runs(item: pytest.Item) -> int:
    """How often `make test` runs what `--quick` runs at most once."""
    is_chosen_here = "engine" in _parameters(item) and not _names_databases(item)
    return len(databases(item)) if is_chosen_here else 1


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


@pytest.fixture(autouse=True)
def direct_routes(request: pytest.FixtureRequest) -> Iterator[None]:
    """The app's direct routes are there, or not, for one test: the engine outlives it."""
    with pytest.MonkeyPatch.context() as patch:
        if _parameters(request.node).get("engine") == BY_FASTAPI:
            patch.setattr(main.app.router, "routes", without_direct_routes(main.app.router.routes))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Hold `without_sql` to its word."""
    if not item.get_closest_marker("without_sql"):
        return (yield)
    with sent_by(database.engine) as sent:
        yield
    assert sent == []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell xdist's controller, which collects no test, what this worker left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_unconfigure(config: pytest.Config) -> None:
    if left_out := config.stash.get(LEFT_OUT, 0):
        print(f"left out: {left_out} tests, for PostgreSQL, a process or FastAPI alone: make test")
