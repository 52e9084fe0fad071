"""`Idempotency-Key` behind a real PgBouncer in transaction mode."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest
from cluster import Cluster, Database
from fixtures import RunService
from pgbouncer import PgBouncer, folder_beside
from users import bearer

pytestmark = pytest.mark.integration

REPLAYED = "Idempotent-Replayed"


@pytest.fixture(scope="module")
def pooled(cluster: Cluster, run_service: RunService) -> Iterator[httpx2.Client]:
    """A client of two workers, whose connections PgBouncer shares."""
    database = Database(cluster)
    with (
        PgBouncer(folder_beside(cluster), cluster) as bouncer,
        run_service(workers=2, NEON_DATABASE_URL=database.url(port=bouncer.port)) as service,
    ):
        yield service.wait_until_started().client
    assert "Traceback" not in service.log()


@pytest.fixture
def user() -> str:
    return f"user_{uuid4().hex}"


def create(client: httpx2.Client, user: str, key: str, title: str = "Buy milk") -> httpx2.Response:
    headers = {"Idempotency-Key": key, **bearer(user)}
    return client.post(f"/api/{user}/tasks", json={"title": title}, headers=headers)


def listed(client: httpx2.Client, user: str) -> list[int]:
    answer = client.get(f"/api/{user}/tasks", headers=bearer(user))
    return [task["id"] for task in answer.json()["data"]]


def test_a_request_that_is_sent_again_makes_no_second_task(
    pooled: httpx2.Client, user: str
) -> None:
    answers = [create(pooled, user, "a-key") for _ in range(20)]

    assert {answer.status_code for answer in answers} == {201}
    assert [REPLAYED in answer.headers for answer in answers] == [False] + [True] * 19
    assert {answer.json()["data"]["id"] for answer in answers} == set(listed(pooled, user))
    assert len(listed(pooled, user)) == 1


def test_of_fifty_requests_at_once_one_makes_the_task(pooled: httpx2.Client, user: str) -> None:
    with ThreadPoolExecutor(max_workers=50) as clients:
        answers = list(clients.map(lambda _: create(pooled, user, "a-key"), range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert [REPLAYED in answer.headers for answer in answers].count(False) == 1
    assert {answer.json()["data"]["id"] for answer in answers} == set(listed(pooled, user))
    assert len(listed(pooled, user)) == 1


def test_the_key_of_another_task_is_refused(pooled: httpx2.Client, user: str) -> None:
    created = create(pooled, user, "a-key")

    refused = [create(pooled, user, "a-key", f"Buy {number} eggs") for number in range(10)]

    assert {answer.status_code for answer in refused} == {422}
    assert {answer.json()["code"] for answer in refused} == {"IDEMPOTENCY_KEY_REUSED"}
    assert listed(pooled, user) == [created.json()["data"]["id"]]
