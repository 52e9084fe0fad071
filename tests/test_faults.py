"""Neon's bad days: a PostgreSQL that is really stopped, processes that are really killed.

The deadlines are what docs/operation.md promises, and some seconds for the machine.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic
from uuid import uuid4

import httpx2
import pytest
from answers import assert_unavailable, seconds
from cluster import ROLE, Cluster, Database
from endpoints import ENDPOINTS, Endpoint, each_endpoint
from gate import Gate
from ports import free_port
from service import Service
from users import bearer
from waiting import eventually

RunService = Callable[..., Service]
Call = Callable[[], httpx2.Response]

# What the service promises.
ANSWER_SECONDS = 10
HEALTH_SECONDS = 1
RESUME_SECONDS = 5
ANSWER_UNDER_RESTART_SECONDS = 12
START_PATIENCE_SECONDS = 60

POOL_SIZE = 20
# Connections that a fault meets idle in each worker: more than requests meet the fault.
IDLE = 15
ROW_LOCK = "SELECT FROM tasks WHERE user_id = %s FOR UPDATE"


@pytest.fixture
def database(cluster: Cluster) -> Database:
    """An empty database, where no service has been yet."""
    return Database(cluster)


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
    database = Database(cluster)
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


@pytest.fixture(scope="module")
def running_worker(cluster: Cluster, run_service: RunService) -> Iterator[SingleWorker]:
    database = Database(cluster)
    with run_service(
        NEON_DATABASE_URL=database.url(), DATABASE_POOL_SIZE=str(POOL_SIZE)
    ) as service:
        service.wait_until_started()
        yield SingleWorker(service, database)
    assert "Traceback" not in service.log()
    assert "Crash" not in service.log()


@pytest.fixture
def worker(running_worker: SingleWorker) -> SingleWorker:
    """A worker that runs through many tests and is never restarted, with a user of this test."""
    return SingleWorker(running_worker.service, running_worker.database)


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    """Threads, one for each client of a test."""
    with ThreadPoolExecutor(max_workers=100) as threads:
        yield threads


@pytest.fixture(scope="module")
def hopeless(run_service: RunService) -> Iterator[Service]:
    with run_service(
        NEON_DATABASE_URL=f"postgresql://{ROLE}:hunter2@127.0.0.1:{free_port()}/tasks"
    ) as service:
        yield service


@pytest.fixture(scope="module", autouse=True)
def _start_hopeless(hopeless: Service) -> None:
    """Its patience takes 20 seconds, in which other tests run."""


def assert_refused_in_time(answer: httpx2.Response) -> None:
    assert_unavailable(answer)
    assert seconds(answer) < ANSWER_SECONDS


def assert_healthy(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})
    assert seconds(answer) < HEALTH_SECONDS


# Connections that the server closes while they are idle


@pytest.fixture
def closed_while_idle(worker: SingleWorker, clients: ThreadPoolExecutor) -> int:
    """A stored task's id, whose database has closed every connection of the pool since."""
    task_id = worker.create()
    _fill_pool(worker.service.client, worker.database, clients)
    assert worker.database.close_connections() >= IDLE
    return task_id


def _fill_pool(client: httpx2.Client, database: Database, clients: ThreadPoolExecutor) -> None:
    """Make the one worker that answers `client` hold idle connections."""
    with database.locked("LOCK TABLE tasks"):
        waiting = [clients.submit(ENDPOINTS[0].call, client, headers=bearer()) for _ in range(IDLE)]
        eventually(
            "all connections at work",
            lambda: database.connections("wait_event_type = 'Lock'") == IDLE,
            seconds=4,
        )
    assert {answer.result().status_code for answer in waiting} == {200}


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


# A database that is gone

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
        _wait_until_ready(service, worker)
        with service.only(worker) as client:
            _fill_pool(client, deployment.database, clients)

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
        _wait_until_ready(service, worker)
        with service.only(worker) as client:
            _fill_pool(client, deployment.database, clients)
    resumed = monotonic()

    assert_healthy(health)
    for answer in answers:
        assert_refused_in_time(answer)
    assert resumed - returned < RESUME_SECONDS


def test_a_network_that_dies_after_the_commit_is_503_and_creates_once(
    deployment: Deployment, clients: ThreadPoolExecutor
) -> None:
    service = deployment.service
    user = f"user_{uuid4().hex}"
    tasks = f"/api/{user}/tasks"
    for worker in service.worker_ids():
        _wait_until_ready(service, worker)

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


def _wait_until_ready(service: Service, worker: int) -> None:
    with service.only(worker) as client:
        eventually(
            "an answer from the database",
            lambda: client.get("/ready").status_code == 200,
            seconds=RESUME_SECONDS,
        )


# A restart under load


def test_a_restart_under_load_loses_nothing_acknowledged(
    worker: SingleWorker, clients: ThreadPoolExecutor
) -> None:
    written: list[tuple[str, httpx2.Response]] = []
    restarted, enough = Event(), Event()
    written_since: set[int] = set()

    def write(writer: int) -> None:
        while not enough.is_set():
            title = uuid4().hex
            answer = worker.service.client.post(
                f"/api/{worker.user}/tasks", json={"title": title}, headers=bearer(worker.user)
            )
            written.append((title, answer))
            if restarted.is_set() and answer.status_code == 201:
                written_since.add(writer)

    try:
        writers = [clients.submit(write, writer) for writer in range(6)]
        eventually("a hundred writes", lambda: len(written) > 100, seconds=20)
        worker.database.cluster.restart("immediate")
        restarted.set()
        eventually("a write by each", lambda: len(written_since) == 6, seconds=RESUME_SECONDS)
    finally:
        enough.set()
    for writer in writers:
        writer.result()

    assert {answer.status_code for _, answer in written} <= {201, 503}
    assert max(seconds(answer) for _, answer in written) < ANSWER_UNDER_RESTART_SECONDS
    acknowledged = [title for title, answer in written if answer.status_code == 201]
    stored = worker.database.titles()
    assert [title for title in acknowledged if stored.count(title) != 1] == []


# A statement that another session's lock holds up


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
    toggle = next(endpoint for endpoint in ENDPOINTS if endpoint.method == "PATCH")

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


# Start


def test_a_start_waits_for_a_database_that_is_down(
    cluster: Cluster, database: Database, run_service: RunService
) -> None:
    with (
        Gate(cluster.port) as gate,
        run_service(NEON_DATABASE_URL=database.url(port=gate.port)) as service,
    ):
        gate.refuse()
        eventually("a line about it", lambda: "does not answer yet" in service.log(), seconds=20)
        gate.open()
        service.wait_until_started()

        assert service.client.get("/ready").json() == {"status": "ready"}


def test_a_start_outlasts_another_ones_lock(database: Database, run_service: RunService) -> None:
    """A worker that creates tables, or a migration, may take longer than a statement may."""
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        with database.locked("LOCK TABLE pg_class IN SHARE MODE"):
            eventually(
                "a line about it", lambda: "does not answer yet" in service.log(), seconds=20
            )
        service.wait_until_started()

        assert service.client.get("/ready").json() == {"status": "ready"}


def test_four_workers_start_together_on_an_empty_database(
    database: Database, run_service: RunService
) -> None:
    """Two of them at least want to create the tables at the same moment."""
    with run_service(workers=4, NEON_DATABASE_URL=database.url()) as service:
        with database.locked("LOCK TABLE pg_class IN SHARE MODE"):
            eventually(
                "two workers in each other's way",
                lambda: database.connections("wait_event_type = 'Lock'") >= 2,
                seconds=20,
            )
        service.wait_until_started()

        assert len(set(service.worker_ids())) == 4
        assert "Traceback" not in service.log()
        for worker in service.worker_ids():
            _wait_until_ready(service, worker)


# Stop


def test_a_stop_answers_the_requests_in_flight_and_closes_the_connections(
    database: Database, run_service: RunService, clients: ThreadPoolExecutor
) -> None:
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        worker = SingleWorker(service.wait_until_started(), database)
        task_id = worker.create()
        toggle = next(endpoint for endpoint in ENDPOINTS if endpoint.method == "PATCH")
        with database.locked(ROW_LOCK, worker.user):
            in_flight = [clients.submit(worker.call, toggle, task_id) for _ in range(3)]
            eventually(
                "three requests in flight",
                lambda: database.connections("wait_event_type = 'Lock'") == 3,
                seconds=4,
            )
            service.process.send_signal(signal.SIGTERM)
            eventually("the stop begins", lambda: "Shutting down" in service.log(), seconds=3)
        service.process.wait(timeout=ANSWER_SECONDS)

    assert [answer.result().status_code for answer in in_flight] == [200] * 3
    assert database.run("SELECT completed FROM tasks") == [(True,)]
    eventually("no connection is left", lambda: database.connections() == 0, seconds=1)
    assert f"[{database.name} tasks-api] DEBUG:  unexpected EOF" not in database.cluster.log()


def test_a_killed_process_loses_nothing_acknowledged(
    database: Database, run_service: RunService, clients: ThreadPoolExecutor
) -> None:
    acknowledged: list[str] = []

    def write(worker: SingleWorker) -> None:
        while True:
            title = uuid4().hex
            try:
                worker.create(title)
            except httpx2.TransportError:
                return
            acknowledged.append(title)

    with run_service(NEON_DATABASE_URL=database.url()) as service:
        worker = SingleWorker(service.wait_until_started(), database)
        writers = [clients.submit(write, worker) for _ in range(6)]
        eventually("a hundred writes", lambda: len(acknowledged) > 100, seconds=20)
        service.process.kill()
        for writer in writers:
            writer.result()

    assert set(acknowledged) <= set(database.titles())


# Overload


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


# SQLite


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
    assert max(seconds(answer) for answer in answers) < ANSWER_SECONDS


# A start without hope, begun before all other tests


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
