"""A statement that another session's lock holds up."""

from concurrent.futures import ThreadPoolExecutor

from deployments import (
    POOL_SIZE,
    RESUME_SECONDS,
    ROW_LOCK,
    SingleWorker,
    assert_healthy,
    assert_refused_in_time,
)
from endpoints import ENDPOINTS
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
    task_id = worker.create()
    toggle = next(endpoint for endpoint in ENDPOINTS if endpoint.name == "toggle_task_completion")

    with worker.database.locked(ROW_LOCK, worker.user):
        waiting = [clients.submit(worker.call, toggle, task_id) for _ in range(60)]
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
    assert worker.tasks() == ["Buy groceries"]
