"""A start that has to wait for its database."""

from collections.abc import Iterator

import pytest
from cluster import ROLE, Cluster, Database
from deployments import wait_until_ready
from fixtures import RunService
from gate import Gate
from ports import free_port
from service import Service
from waiting import eventually

pytestmark = pytest.mark.waits

START_PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def hopeless(run_service: RunService) -> Iterator[Service]:
    with run_service(
        NEON_DATABASE_URL=f"postgresql://{ROLE}:hunter2@127.0.0.1:{free_port()}/tasks"
    ) as service:
        yield service


@pytest.fixture(scope="module", autouse=True)
def _start_hopeless(hopeless: Service) -> None:
    """Its patience takes 20 seconds, in which other tests run."""


def test_a_start_waits_for_a_database_that_is_down(
    cluster: Cluster, database: Database, run_service: RunService
) -> None:
    with (
        Gate(cluster.port) as gate,
        run_service(NEON_DATABASE_URL=database.url(port=gate.port)) as service,
    ):
        gate.refuse()
        eventually("a line about it", lambda: "does not answer yet" in service.log(), seconds=60)
        gate.open()
        service.wait_until_started()

        assert service.client.get("/ready").json() == {"status": "ready"}


def test_a_start_outlasts_another_ones_lock(
    empty_database: Database, run_service: RunService
) -> None:
    """A worker that creates tables, or a migration, may take longer than a statement may."""
    database = empty_database
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        with database.locked("LOCK TABLE pg_class IN SHARE MODE"):
            eventually(
                "a line about it", lambda: "does not answer yet" in service.log(), seconds=60
            )
        service.wait_until_started()

        assert service.client.get("/ready").json() == {"status": "ready"}


def test_four_workers_start_together_on_an_empty_database(
    empty_database: Database, run_service: RunService
) -> None:
    """Two of them at least want to create the tables at the same moment."""
    database = empty_database
    with run_service(workers=4, NEON_DATABASE_URL=database.url()) as service:
        with database.locked("LOCK TABLE pg_class IN SHARE MODE"):
            eventually(
                "two workers in each other's way",
                lambda: database.connections("wait_event_type = 'Lock'") >= 2,
                seconds=60,
            )
        service.wait_until_started()

        assert len(set(service.worker_ids())) == 4
        assert "Traceback" not in service.log()
        for worker in service.worker_ids():
            wait_until_ready(service, worker)


def test_a_start_fails_clearly_when_the_database_stays_away(hopeless: Service) -> None:
    hopeless.process.wait(timeout=START_PATIENCE_SECONDS)

    assert hopeless.process.returncode != 0
    last_lines = hopeless.log().splitlines()[-2:]
    assert (
        "The database cannot be reached (PostgreSQL, database tasks at 127.0.0.1)" in last_lines[0]
    )
    assert last_lines[1].endswith("Application startup failed. Exiting.")
    assert "Traceback" not in hopeless.log()
    assert "hunter2" not in hopeless.log()
