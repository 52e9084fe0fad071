"""The service behind a real PgBouncer in transaction mode, which Neon's pooled endpoint is."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import uuid4

import httpx2
import psycopg2
import pytest
from answers import refusal
from cluster import Cluster, Database
from endpoints import ENDPOINTS
from fixtures import RunService
from pgbouncer import SERVER_CONNECTIONS, PgBouncer, folder_beside
from service import Service
from users import bearer
from waiting import eventually

pytestmark = pytest.mark.integration

ANSWER_SECONDS = 10


@dataclass
class Deployment:
    service: Service
    bouncer: PgBouncer
    database: Database


@pytest.fixture(scope="module")
def deployment(cluster: Cluster, run_service: RunService) -> Iterator[Deployment]:
    """Two workers, which started together on an empty database behind PgBouncer."""
    database = Database(cluster)
    with (
        PgBouncer(folder_beside(cluster), cluster) as bouncer,
        run_service(workers=2, NEON_DATABASE_URL=database.url(port=bouncer.port)) as service,
    ):
        service.wait_until_started()
        yield Deployment(service, bouncer, database)
    assert "Traceback" not in service.log()


@pytest.fixture
def user() -> str:
    return f"user_{uuid4().hex}"


def create(deployment: Deployment, user: str, title: str = "Buy groceries") -> httpx2.Response:
    return deployment.service.client.post(
        f"/api/{user}/tasks", json={"title": title}, headers=bearer(user)
    )


def test_many_clients_at_once_use_all_endpoints(deployment: Deployment) -> None:
    def visit(_: int) -> list[httpx2.Response]:
        user = f"user_{uuid4().hex}"
        created = create(deployment, user)
        task = created.json()["data"]["id"]
        in_order = sorted(ENDPOINTS, key=lambda endpoint: endpoint.method == "DELETE")
        return [created] + [
            endpoint.call(deployment.service.client, user, task, headers=bearer(user))
            for endpoint in in_order
        ]

    with ThreadPoolExecutor(max_workers=60) as clients:
        answers = [answer for answers in clients.map(visit, range(120)) for answer in answers]

    assert len(answers) == 120 * (1 + len(ENDPOINTS))
    assert {answer.status_code for answer in answers} == {200, 201}
    assert 1 <= deployment.database.connections() <= SERVER_CONNECTIONS


def test_a_stuck_statement_is_503(deployment: Deployment, user: str) -> None:
    create(deployment, user)

    with (
        deployment.database.locked("LOCK TABLE tasks"),
        ThreadPoolExecutor(max_workers=60) as clients,
    ):
        waiting = [clients.submit(create, deployment, user) for _ in range(60)]
        health = deployment.service.client.get("/health")
        answers = [one.result() for one in waiting]
        eventually(
            "PostgreSQL gives the statements up",
            lambda: deployment.database.connections("wait_event_type = 'Lock'") == 0,
            seconds=ANSWER_SECONDS,
        )

    assert {refusal(answer) for answer in answers} == {(503, "SERVICE_UNAVAILABLE")}
    assert max(answer.elapsed.total_seconds() for answer in answers) < ANSWER_SECONDS
    assert health.elapsed.total_seconds() < 1
    assert create(deployment, user).status_code == 201


def test_the_time_limit_reaches_no_other_client(deployment: Deployment, user: str) -> None:
    """Every connection that the service has used is free of it when another client gets it."""
    with ThreadPoolExecutor(max_workers=20) as clients:
        list(clients.map(lambda _: create(deployment, user), range(100)))

    limits: list[str] = []
    with ExitStack() as connections:
        for _ in range(SERVER_CONNECTIONS):
            connection = psycopg2.connect(deployment.database.url(port=deployment.bouncer.port))
            connections.callback(connection.close)
            cursor = connection.cursor()  # a transaction, which keeps its connection to itself
            cursor.execute("SHOW statement_timeout")
            limits += cursor.fetchone() or ()

    assert limits == ["0"] * SERVER_CONNECTIONS


def test_the_encodings_of_other_clients_reach_no_text(deployment: Deployment, user: str) -> None:
    """On connections that clients with another encoding have used before."""
    with ExitStack() as connections:
        for _ in range(SERVER_CONNECTIONS):
            url = deployment.database.url(port=deployment.bouncer.port)
            connection = psycopg2.connect(url, client_encoding="latin1")
            connections.callback(connection.close)
            cursor = connection.cursor()  # a transaction, which keeps its connection to itself
            cursor.execute("SHOW client_encoding")
            assert cursor.fetchone() == ("LATIN1",)
    title = "Zoë \N{MEMO}"

    with ThreadPoolExecutor(max_workers=20) as clients:
        answers = list(clients.map(lambda _: create(deployment, user, title), range(20)))

    assert {answer.json()["data"]["title"] for answer in answers} == {title}
    listed = deployment.service.client.get(f"/api/{user}/tasks", headers=bearer(user))
    assert [task["title"] for task in listed.json()["data"]] == [title] * 20


def test_a_create_creates_once_after_the_server_closed_its_connections(
    deployment: Deployment, user: str
) -> None:
    create(deployment, user)
    assert deployment.database.close_connections() >= 1

    answer = create(deployment, user)

    assert answer.status_code == 201
    listed = deployment.service.client.get(f"/api/{user}/tasks", headers=bearer(user))
    assert len(listed.json()["data"]) == 2


def test_a_create_creates_once_after_a_restart_of_pgbouncer(
    deployment: Deployment, user: str
) -> None:
    with ThreadPoolExecutor(max_workers=20) as clients:
        list(clients.map(lambda _: create(deployment, f"{user}_before"), range(100)))
    deployment.bouncer.stop()
    deployment.bouncer.start()

    answers = [create(deployment, user) for _ in range(20)]

    assert {answer.status_code for answer in answers} == {201}
    listed = deployment.service.client.get(f"/api/{user}/tasks", headers=bearer(user))
    assert len(listed.json()["data"]) == 20


def test_a_start_behind_statement_pooling_ends_at_once(
    cluster: Cluster, run_service: RunService
) -> None:
    database = Database(cluster)
    with (
        PgBouncer(folder_beside(cluster), cluster, pool_mode="statement") as bouncer,
        run_service(NEON_DATABASE_URL=database.url(port=bouncer.port)) as service,
    ):
        service.process.wait(timeout=ANSWER_SECONDS)

    assert service.process.returncode == 3
    line = service.log().splitlines()[-2]
    assert "statement pooling mode" in line
    assert line.endswith("set pool_mode = transaction in PgBouncer")
