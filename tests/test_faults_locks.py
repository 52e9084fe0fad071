"""A statement that another session's lock holds up."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
from deployments import (
    POOL_SIZE,
    RESUME_SECONDS,
    SingleWorker,
    assert_healthy,
    assert_refused_in_time,
)
from endpoints import ENDPOINTS
from users import bearer
from waiting import eventually


def test_a_statement_stuck_on_a_lock_is_503(
    worker: SingleWorker, clients: ThreadPoolExecutor
) -> None:
    task_id = worker.create()

    with worker.database.locked("LOCK TABLE tasks"):
        answers = list(clients.map(lambda endpoint: worker.call(endpoint, task_id), ENDPOINTS))

    for answer in answers:
        assert_refused_in_time(answer)
    assert worker.tasks() == ["Buy groceries"]


def test_health_answers_at_once_while_60_requests_wait(
    worker: SingleWorker, clients: ThreadPoolExecutor
) -> None:
    """Only as many wait in the database as there are connections. The last twenty get none."""
    users = [SingleWorker(worker.service, worker.database) for _ in range(60)]

    with worker.database.locked("LOCK TABLE tasks"):
        waiting = [clients.submit(user.call, ENDPOINTS[0]) for user in users]
        eventually(
            "the pool is exhausted",
            lambda: worker.database.connections("wait_event_type = 'Lock'") == POOL_SIZE,
            seconds=4,
        )
        health = []
        while not all(answer.done() for answer in waiting):
            health.append(worker.service.client.get("/health"))
        answers = [answer.result() for answer in waiting]
        eventually(
            "PostgreSQL gives the statements up",
            lambda: worker.database.connections("wait_event_type = 'Lock'") == 0,
            seconds=RESUME_SECONDS,
        )

    for answer in health:
        assert_healthy(answer)
    for answer in answers:
        assert_refused_in_time(answer)
    assert worker.tasks() == []


def test_writes_of_many_tasks_of_one_user_wait_for_each_other_and_so_not_in_a_circle(
    worker: SingleWorker, clients: ThreadPoolExecutor
) -> None:
    locked = worker.create("Buy groceries")
    worker.create("Buy flowers")
    another = SingleWorker(worker.service, worker.database)
    another.create("Buy flowers")

    def complete(tasks: SingleWorker, search: str) -> httpx2.Response:
        return tasks.service.client.patch(
            f"/api/{tasks.user}/tasks/complete?filter=pending&search={search}",
            json={"completed": True},
            headers=bearer(tasks.user),
        )

    def waiting(number: int) -> None:
        eventually(
            f"{number} waiting",
            lambda: worker.database.connections("wait_event_type = 'Lock'") == number,
            seconds=4,
        )

    with worker.database.locked("SELECT FROM tasks WHERE id = %s FOR UPDATE", locked):
        first = clients.submit(complete, worker, "groceries")
        waiting(1)
        second = clients.submit(complete, worker, "flowers")
        waiting(2)
        assert complete(another, "flowers").json()["data"] == {"updated": 1, "created": 0}

    assert first.result().json()["data"] == {"updated": 1, "created": 0}
    assert second.result().json()["data"] == {"updated": 1, "created": 0}
