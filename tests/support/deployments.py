"""Running services, the databases behind them, and what docs/operation.md promises of them.

The deadlines are the promises, and some seconds for the machine.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import uuid4

import httpx2
from answers import assert_unavailable, seconds
from cluster import Database
from endpoints import ENDPOINTS, Endpoint
from service import Service
from users import bearer
from waiting import eventually, in_time

# What the service promises.
ANSWER_SECONDS = 10
HEALTH_SECONDS = 1
RESUME_SECONDS = 5
POOL_SIZE = 20
# Connections that a fault meets idle in each worker: more than requests meet the fault.
IDLE = 15
ROW_LOCK = "SELECT FROM tasks WHERE user_id = %s FOR UPDATE"


@dataclass
class SingleWorker:
    """A running service of one worker, its database, and a user who is new in each test."""

    service: Service
    database: Database
    user: str = field(default_factory=lambda: f"user_{uuid4().hex}")

    def call(self, endpoint: Endpoint, task_id: int = 1) -> httpx2.Response:
        return endpoint.call(self.service.client, self.user, task_id, headers=bearer(self.user))

    def create(self, title: str = "Buy groceries") -> int:
        answer = self.service.client.post(
            f"/api/{self.user}/tasks", json={"title": title}, headers=bearer(self.user)
        )
        assert answer.status_code == 201
        return int(answer.json()["data"]["id"])

    def tasks(self) -> list[str]:
        answer = self.service.client.get(f"/api/{self.user}/tasks", headers=bearer(self.user))
        assert answer.status_code == 200
        return [task["title"] for task in answer.json()["data"]]


def assert_refused_in_time(answer: httpx2.Response) -> None:
    assert_unavailable(answer)
    assert in_time(seconds(answer), ANSWER_SECONDS)


def assert_healthy(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})
    assert in_time(seconds(answer), HEALTH_SECONDS)


def fill_pool(client: httpx2.Client, database: Database, clients: ThreadPoolExecutor) -> None:
    """Make the one worker that answers `client` hold idle connections."""
    with database.locked("LOCK TABLE tasks"):
        waiting = [
            clients.submit(ENDPOINTS[0].call, client, user, headers=bearer(user))
            for user in map("user_{}".format, range(IDLE))
        ]
        eventually(
            "all connections at work",
            lambda: database.connections("wait_event_type = 'Lock'") == IDLE,
            seconds=4,
        )
    assert {answer.result().status_code for answer in waiting} == {200}


def wait_until_ready(service: Service, worker: int) -> None:
    with service.only(worker) as client:
        eventually(
            "an answer from the database",
            lambda: client.get("/ready").status_code == 200,
            seconds=RESUME_SECONDS,
        )
