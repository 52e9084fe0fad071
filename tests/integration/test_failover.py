"""A primary that is killed, and its synchronous standby that takes over: docs/runbook.md."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from uuid import uuid4

import httpx2
import pytest
from answers import seconds
from cluster import Cluster, Database, Standby, running_cluster
from deployments import ANSWER_SECONDS, RESUME_SECONDS
from fixtures import RunService
from pgbouncer import PgBouncer, folder_beside
from service import Service
from users import OWNER, bearer
from waiting import eventually

pytestmark = pytest.mark.integration

WRITERS = 8
RETRY_SECONDS = 0.1


@pytest.fixture
def primary() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def database(primary: Cluster) -> Database:
    return Database(primary)


@pytest.fixture
def standby(primary: Cluster) -> Iterator[Standby]:
    standby = Standby(primary)
    yield standby
    standby.stop("immediate")


@dataclass
class Deployment:
    """A running service, and what makes its database's address lead to the standby."""

    service: Service
    point_to_standby: Callable[[], None]


@pytest.fixture
def with_two_hosts(
    database: Database, standby: Standby, run_service: RunService
) -> Iterator[Deployment]:
    url = database.url(f"127.0.0.1:{database.cluster.port},127.0.0.1", standby.port)
    url += "?target_session_attrs=read-write"
    with run_service(workers=2, NEON_DATABASE_URL=url) as service:
        yield Deployment(service.wait_until_started(), lambda: None)


@pytest.fixture
def with_one_proxy(
    database: Database, standby: Standby, run_service: RunService
) -> Iterator[Deployment]:
    folder = folder_beside(database.cluster)
    with (
        PgBouncer(folder, database.cluster, server_login_retry=1) as bouncer,
        run_service(workers=2, NEON_DATABASE_URL=database.url(port=bouncer.port)) as service,
    ):
        yield Deployment(service.wait_until_started(), lambda: bouncer.lead_to(standby))


@pytest.fixture(params=["with_two_hosts", "with_one_proxy"])
def deployment(request: pytest.FixtureRequest) -> Deployment:
    deployment: Deployment = request.getfixturevalue(request.param)
    return deployment


@dataclass
class Writer:
    """Creates one task after the other, each until it is acknowledged."""

    client: httpx2.Client
    over: Event
    answers: list[tuple[float, httpx2.Response]] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)

    def write(self) -> None:
        while not self.over.is_set():
            key = str(uuid4())
            while (answer := self.create(key)).status_code != 201:
                self.over.wait(RETRY_SECONDS)
            self.told[key] = answer.json()["data"]["id"]

    def create(self, key: str) -> httpx2.Response:
        headers = {"Idempotency-Key": key, **bearer()}
        answer = self.client.post(f"/api/{OWNER}/tasks", json={"title": key}, headers=headers)
        self.answers.append((monotonic(), answer))
        assert answer.status_code in {201, 503}
        return answer

    def has_got(self, status: int, since: float) -> bool:
        return any(
            answer.status_code == status and moment > since for moment, answer in self.answers
        )


def test_nothing_acknowledged_is_lost_or_doubled_when_the_primary_is_killed(
    primary: Cluster,
    database: Database,
    standby: Standby,
    deployment: Deployment,
    clients: ThreadPoolExecutor,
) -> None:
    over = Event()
    writers = [Writer(deployment.service.client, over) for _ in range(WRITERS)]

    def everybody_gets(status: int) -> float:
        since = monotonic()
        eventually(
            f"a {status} for every writer",
            lambda: all(writer.has_got(status, since) for writer in writers),
            seconds=2 * ANSWER_SECONDS,
        )
        return since

    writing = [clients.submit(writer.write) for writer in writers]
    try:
        everybody_gets(201)
        primary.kill()
        everybody_gets(503)
        standby.promote()
        deployment.point_to_standby()
        promoted = everybody_gets(201)
    finally:
        over.set()
    for one in writing:
        one.result()

    database.cluster = standby
    told = {key: id_ for writer in writers for key, id_ in writer.told.items()}
    assert database.run("SELECT count(*) FROM tasks") == [(len(told),)]
    assert dict(database.run("SELECT idempotency_key, id FROM tasks")) == told
    for key, id_ in told.items():
        repeated = writers[0].create(key)
        assert (repeated.status_code, repeated.json()["data"]["id"]) == (201, id_)
    answers = [one for writer in writers for one in writer.answers]
    assert max(seconds(answer) for _, answer in answers) < ANSWER_SECONDS
    first = min(at for at, one in answers if one.status_code == 201 and at > promoted)
    assert first - promoted < RESUME_SECONDS
    assert "Traceback" not in deployment.service.log()
