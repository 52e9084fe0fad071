"""A database that is gone for a while: stopped, silent, full, or without a name."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from uuid import uuid4

import httpx2
import pytest
from cluster import ROLE, Cluster, Database
from deployments import (
    RESUME_SECONDS,
    assert_healthy,
    assert_refused_in_time,
    fill_pool,
    wait_until_ready,
)
from endpoints import ENDPOINTS
from fixtures import RunService
from gate import Gate
from places import current_database
from service import Service
from users import bearer
from waiting import eventually, in_time

pytestmark = pytest.mark.waits


@dataclass
class Deployment:
    """A running service and its database. It runs through many faults and is never restarted."""

    service: Service
    database: Database
    gate: Gate
    service_file: Path


@pytest.fixture(scope="module")
def deployment(
    cluster: Cluster, run_service: RunService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Two workers that know their database by a name, which libpq reads from a file each time."""
    database = current_database(cluster)
    service_file = tmp_path_factory.mktemp("names") / "pg_service.conf"
    service_file.write_text(RESOLVES)
    with (
        Gate(cluster.port) as gate,
        run_service(
            workers=2,
            NEON_DATABASE_URL=database.url("tasks-database.invalid", gate.port) + "?service=tasks",
            PGSERVICEFILE=str(service_file),
        ) as service,
    ):
        service.wait_until_started()
        yield Deployment(service, database, gate, service_file)
    assert "Traceback" not in service.log()
    assert "Crash" not in service.log()


RESOLVES = "[tasks]\nhostaddr=127.0.0.1\n"
RESOLVES_NO_MORE = "[tasks]\n"
Fault = Callable[[Deployment], AbstractContextManager[None]]


@contextmanager
def stopped(deployment: Deployment) -> Iterator[None]:
    deployment.database.cluster.stop()
    try:
        yield
    finally:
        deployment.database.cluster.start()


@contextmanager
def refusing_connections(deployment: Deployment) -> Iterator[None]:
    deployment.gate.refuse()
    try:
        yield
    finally:
        deployment.gate.open()


@contextmanager
def silent(deployment: Deployment) -> Iterator[None]:
    """No packet comes back, and what was sent to it is lost for good."""
    deployment.gate.silence()
    try:
        yield
    finally:
        deployment.gate.open()


@contextmanager
def silent_to_new_connections(deployment: Deployment) -> Iterator[None]:
    """As after a failover: the old connections are gone, the new address does not answer yet."""
    deployment.gate.refuse()
    deployment.gate.open()
    with silent(deployment):
        yield


@contextmanager
def out_of_connections(deployment: Deployment) -> Iterator[None]:
    deployment.database.cluster.run(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
    deployment.database.close_connections()
    try:
        yield
    finally:
        deployment.database.cluster.run(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")


@contextmanager
def without_a_name(deployment: Deployment) -> Iterator[None]:
    """Its host name is unknown to the DNS."""
    deployment.service_file.write_text(RESOLVES_NO_MORE)
    deployment.database.close_connections()
    try:
        yield
    finally:
        deployment.service_file.write_text(RESOLVES)


FAULTS = (
    stopped,
    refusing_connections,
    silent,
    silent_to_new_connections,
    out_of_connections,
    without_a_name,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_database_that_is_gone_is_503_until_it_returns(
    deployment: Deployment, clients: ThreadPoolExecutor, fault: Fault
) -> None:
    service = deployment.service
    for worker in service.worker_ids():
        wait_until_ready(service, worker)
        with service.only(worker) as client:
            fill_pool(client, deployment.database, clients)

    with fault(deployment):
        waiting: list[Future[httpx2.Response]] = [
            clients.submit(endpoint.call, service.client, headers=bearer())
            for endpoint in ENDPOINTS
            for _ in service.worker_ids()
        ]
        waiting += [clients.submit(service.client.get, "/ready") for _ in service.worker_ids()]
        health = service.client.get("/health")
        answers = [answer.result() for answer in waiting]

    returned = monotonic()
    for worker in service.worker_ids():
        wait_until_ready(service, worker)
        with service.only(worker) as client:
            fill_pool(client, deployment.database, clients)
    resumed = monotonic()

    assert_healthy(health)
    for answer in answers:
        assert_refused_in_time(answer)
    assert in_time(resumed - returned, RESUME_SECONDS)


def test_a_network_that_dies_after_the_commit_is_503_and_creates_once(
    deployment: Deployment, clients: ThreadPoolExecutor
) -> None:
    service = deployment.service
    user = f"user_{uuid4().hex}"
    tasks = f"/api/{user}/tasks"
    for worker in service.worker_ids():
        wait_until_ready(service, worker)

    with deployment.database.locked("LOCK TABLE tasks"):
        creating = clients.submit(
            service.client.post, tasks, json={"title": "Buy groceries"}, headers=bearer(user)
        )
        eventually(
            "the statement waits in the database",
            lambda: deployment.database.connections("wait_event_type = 'Lock'") == 1,
            seconds=4,
        )
        deployment.gate.silence()
    answer = creating.result()
    deployment.gate.refuse()
    deployment.gate.open()
    listed = service.client.get(tasks, headers=bearer(user)).json()["data"]

    assert_refused_in_time(answer)
    assert [task["title"] for task in listed] == ["Buy groceries"]
