"""A recurring task is completed, and something fails on the way: the same request, sent again, ends
right.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from cluster import Cluster, Database
from deployments import ANSWER_SECONDS, assert_refused_in_time
from endpoints import ORIGIN, TASKS
from fixtures import RunService
from gate import Gate
from places import current_database
from service import Service
from users import OWNER, bearer
from waiting import eventually

from sql.dialects import OWNER_LOCK

DAILY = {"pattern": "daily"}
Json = dict[str, Any]


def create(client: httpx2.Client) -> str:
    """The path of a new task that comes again every day."""
    body = {"title": "Water the plants", "recurrence": DAILY}
    answer = client.post(TASKS, json=body, headers=bearer())
    assert answer.status_code == 201
    return f"{TASKS}/{answer.json()['data']['id']}/complete"


def complete(client: httpx2.Client, path: str, *, completed: bool = True) -> httpx2.Response:
    return client.patch(path, json={"completed": completed}, headers=bearer())


def listed(client: httpx2.Client) -> list[Json]:
    tasks: list[Json] = client.get(TASKS, headers=bearer()).json()["data"]
    return tasks


@contextmanager
def held_up(database: Database) -> Iterator[None]:
    """What follows the first statement waits, as it does for another act of the same user."""
    key = f"hashtextextended('{OWNER}', {OWNER_LOCK})"
    with database.locked(f"SELECT pg_advisory_xact_lock({key})"):
        yield


@dataclass
class Deployment:
    """A running service, and a gate between it and its database."""

    service: Service
    database: Database
    behind: Gate


@pytest.fixture(scope="module")
def running(cluster: Cluster, run_service: RunService) -> Iterator[Deployment]:
    database = current_database(cluster)
    with (
        Gate(cluster.port) as behind,
        run_service(NEON_DATABASE_URL=database.url(port=behind.port)) as service,
    ):
        service.wait_until_started()
        yield Deployment(service, database, behind)


@pytest.fixture
def deployment(running: Deployment) -> Deployment:
    """Without tasks."""
    running.database.run("DELETE FROM tasks")
    return running


def test_of_thirty_completions_over_two_workers_one_makes_the_successor(
    url_of_two_workers: str, run_service: RunService, clients: ThreadPoolExecutor
) -> None:
    with run_service(workers=2, NEON_DATABASE_URL=url_of_two_workers) as service:
        client = service.wait_until_started().client
        path = create(client)

        answers = list(clients.map(lambda _: complete(client, path), range(30)))

        assert {answer.status_code for answer in answers} == {200}
        successor, _ = listed(client)
        assert {answer.json()["next_task"]["id"] for answer in answers} == {successor["id"]}


def test_a_completion_that_waits_too_long_is_503_and_changes_nothing(
    deployment: Deployment,
) -> None:
    client = deployment.service.client
    path = create(client)

    with held_up(deployment.database):
        assert_refused_in_time(complete(client, path))

    assert [task["completed"] for task in listed(client)] == [False]
    assert complete(client, path).json()["next_task"]


Fault = Callable[[Deployment, Gate], None]


def cut_from_the_database(deployment: Deployment, before: Gate) -> None:
    deployment.behind.refuse()


def silenced(deployment: Deployment, before: Gate) -> None:
    deployment.behind.silence()


def terminated(deployment: Deployment, before: Gate) -> None:
    deployment.database.close_connections()


def left_by_the_client(deployment: Deployment, before: Gate) -> None:
    before.refuse()


@pytest.mark.parametrize("completed", [True, False])
@pytest.mark.parametrize(
    "fault",
    [cut_from_the_database, silenced, terminated, left_by_the_client],
    ids=lambda fault: fault.__name__,
)
def test_an_act_that_was_cut_off_ends_right_when_it_is_sent_again(
    deployment: Deployment, clients: ThreadPoolExecutor, fault: Fault, *, completed: bool
) -> None:
    service = deployment.service
    with (
        Gate(service.port) as before,
        httpx2.Client(
            base_url=f"http://127.0.0.1:{before.port}",
            headers={"Origin": ORIGIN},
            timeout=30,
            trust_env=False,
        ) as far,
    ):
        path = create(service.client)
        if not completed:
            complete(service.client, path)
        with held_up(deployment.database):
            lost = clients.submit(complete, far, path, completed=completed)
            deployment.database.wait_for_a_lock()
            fault(deployment, before)
            if fault is not left_by_the_client:
                assert_refused_in_time(lost.result())
        assert_lost(lost)
        deployment.behind.open()

        def again() -> httpx2.Response | None:
            answer = complete(service.client, path, completed=completed)
            return answer if answer.status_code == 200 else None

        found = eventually("an answer", again, seconds=ANSWER_SECONDS)
        assert found
        answer = found.json()

        assert answer["data"]["completed"] is completed
        expected = [answer["next_task"], answer["data"]] if completed else [answer["data"]]
        assert listed(service.client) == expected


def assert_lost(answer: "Future[httpx2.Response]") -> None:
    """No answer that a client could take for a success."""
    error = answer.exception()
    assert isinstance(error, httpx2.TransportError) if error else answer.result().is_error
