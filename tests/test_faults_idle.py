"""A server that closes idle connections."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from deployments import IDLE, SingleWorker, fill_pool
from endpoints import ENDPOINTS, Endpoint, each_endpoint


@pytest.fixture
def closed_while_idle(worker: SingleWorker, clients: ThreadPoolExecutor) -> int:
    """A stored task's id, whose database has closed every connection of the pool since."""
    task_id = worker.create()
    fill_pool(worker.service.client, worker.database, clients)
    assert worker.database.close_connections() >= IDLE
    return task_id


@each_endpoint
def test_a_request_succeeds_after_the_server_closed_every_idle_connection(
    worker: SingleWorker, closed_while_idle: int, endpoint: Endpoint
) -> None:
    answers = [worker.call(endpoint, closed_while_idle)]
    answers += [worker.call(ENDPOINTS[0]) for _ in range(IDLE)]

    assert {answer.status_code // 100 for answer in answers} == {2}


def test_a_create_creates_once_after_the_server_closed_every_idle_connection(
    worker: SingleWorker, closed_while_idle: int
) -> None:
    worker.create("Read a book")

    assert worker.tasks() == ["Read a book", "Buy groceries"]
