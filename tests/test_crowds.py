"""Many clients at once, and none of them is refused."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import httpx2
import pytest
from answers import seconds
from deployments import (
    ANSWER_SECONDS,
    POOL_SIZE,
    SingleWorker,
)
from fixtures import RunService
from service import Service
from users import bearer
from waiting import in_time


def test_256_clients_at_once_are_all_answered(
    worker: SingleWorker, clients: ThreadPoolExecutor
) -> None:
    answered = Event()
    connections, idle_in_transaction = [], []

    def watch() -> None:
        while not answered.is_set():
            connections.append(worker.database.connections())
            idle_in_transaction.append(
                worker.database.connections("state LIKE 'idle in transaction%%'")
            )

    watching = clients.submit(watch)
    try:
        answers = asyncio.run(_crowd(worker, clients=256))
    finally:
        answered.set()
    watching.result()

    assert {answer.status_code for answer in answers} == {200, 201}
    assert len(answers) == 256 * 4
    assert 1 < max(connections) <= POOL_SIZE
    assert max(idle_in_transaction) == 0


async def _crowd(worker: SingleWorker, clients: int) -> list[httpx2.Response]:
    """Each client connects, creates a task, and does three things with it."""
    async with httpx2.AsyncClient(
        base_url=worker.service.origin,
        headers=bearer(worker.user),
        limits=httpx2.Limits(max_connections=None),
        timeout=30,
        trust_env=False,
    ) as client:
        tasks = f"/api/{worker.user}/tasks"

        async def visit() -> list[httpx2.Response]:
            created = await client.post(tasks, json={"title": "Buy groceries"})
            task = f"{tasks}/{created.json()['data']['id']}"
            return [
                created,
                await client.patch(f"{task}/complete"),
                await client.get(task),
                await client.delete(task),
            ]

        visits = await asyncio.gather(*(visit() for _ in range(clients)))
    return [answer for answers in visits for answer in answers]


@pytest.mark.parametrize("processes", [1, 2])
def test_32_writers_at_once_meet_no_locked_sqlite(
    tmp_path: Path, run_service: RunService, clients: ThreadPoolExecutor, processes: int
) -> None:
    url = f"sqlite:///{tmp_path / 'tasks.db'}"

    def write(service: Service, writer: int) -> list[httpx2.Response]:
        user = f"user_{writer}"
        headers = bearer(user)
        answers = []
        for _ in range(5):
            created = service.client.post(
                f"/api/{user}/tasks", json={"title": "Buy groceries"}, headers=headers
            )
            answers.append(created)
            task = created.json()["data"]["id"]
            answers += [
                service.client.patch(f"/api/{user}/tasks/{task}/complete", headers=headers),
                service.client.get(f"/api/{user}/tasks", headers=headers),
            ]
        return answers

    with run_service(workers=processes, NEON_DATABASE_URL=url) as service:
        service.wait_until_started()
        writing = [clients.submit(partial(write, service, writer)) for writer in range(32)]
        answers = [answer for writer in writing for answer in writer.result()]

    assert {answer.status_code for answer in answers} == {200, 201}
    assert in_time(max(seconds(answer) for answer in answers), ANSWER_SECONDS)
