"""More requests than the database can take: what fits is served, the rest is refused unsent."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from time import monotonic

import httpx2
import pytest
from answers import refusal, seconds
from cluster import Cluster, Database
from endpoints import TASKS
from service import Service
from users import bearer

pytestmark = pytest.mark.waits

POOL_SIZE = 4
ANSWER_SECONDS = 8

# Each insert takes as long as `duration` says.
SLOW_INSERTS = """
CREATE TABLE duration AS SELECT %s::double precision AS seconds;
GRANT SELECT ON duration TO PUBLIC;
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_sleep((SELECT seconds FROM duration)); RETURN NEW; END';
CREATE TRIGGER slow BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION take_time();
"""


class Overload:
    """A running worker whose inserts are slow."""

    def __init__(self, service: Service, database: Database) -> None:
        self.service = service
        self.database = database

    async def offer(self, per_second: float, seconds: float) -> list[httpx2.Response]:
        """Send creates at a constant rate, whether or not the ones before are answered."""
        async with self._client() as client:
            creates = []
            began = monotonic()
            for number in range(int(per_second * seconds)):
                await asyncio.sleep(began + number / per_second - monotonic())
                create = client.post(TASKS, json={"title": f"Task {number}"})
                creates.append(asyncio.create_task(create))
            # One that comes a second after the last.
            await asyncio.sleep(1)
            self.listed = await client.get(TASKS)
            return await asyncio.gather(*creates)

    @contextmanager
    def counted_connections(self) -> Iterator[list[int]]:
        """How many connections the server saw, again and again meanwhile."""
        counts: list[int] = []
        done = Event()

        def count() -> None:
            while not done.wait(0.02):
                counts.append(self.database.connections())

        with ThreadPoolExecutor() as thread:
            counting = thread.submit(count)
            try:
                yield counts
            finally:
                done.set()
            counting.result()

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=self.service.origin,
            headers=bearer(),
            limits=httpx2.Limits(max_connections=None),
            timeout=30,
            trust_env=False,
        )


@pytest.fixture
def overload(
    cluster: Cluster, run_service: Callable[..., Service]
) -> Iterator[Callable[[float], Overload]]:
    """Gives a worker whose every insert takes so many seconds."""
    database = Database(cluster)
    with run_service(
        NEON_DATABASE_URL=database.url(), DATABASE_POOL_SIZE=str(POOL_SIZE)
    ) as service:

        def overload(insert_seconds: float) -> Overload:
            service.wait_until_started()
            database.run(SLOW_INSERTS, insert_seconds)
            return Overload(service, database)

        yield overload
    assert "Traceback" not in service.log()
    assert "Crash" not in service.log()


@pytest.mark.parametrize("insert_seconds", [0.5, 3])
def test_at_twice_the_capacity_what_the_database_can_take_is_created(
    overload: Callable[[float], Overload], insert_seconds: float
) -> None:
    load, load_seconds, capacity = overload(insert_seconds), 20, POOL_SIZE / insert_seconds

    with load.counted_connections() as connections:
        answers = asyncio.run(load.offer(per_second=2 * capacity, seconds=load_seconds))

    statuses = Counter(answer.status_code for answer in answers)
    refused = [answer for answer in answers if answer.status_code != 201]
    assert statuses[201] >= 0.9 * capacity * load_seconds
    assert {refusal(answer) for answer in refused} == {(503, "SERVICE_UNAVAILABLE")}
    assert len(load.database.titles()) == statuses[201]
    assert max(connections) == POOL_SIZE
    assert max(seconds(answer) for answer in answers) < ANSWER_SECONDS
    assert all(1 <= int(answer.headers["Retry-After"]) <= 10 for answer in refused)
    assert load.listed.status_code == 200


def test_a_second_after_an_overload_a_list_is_answered_at_once(
    overload: Callable[[float], Overload],
) -> None:
    load = overload(0.5)

    asyncio.run(load.offer(per_second=4 * POOL_SIZE, seconds=10))

    assert load.listed.status_code == 200
    assert seconds(load.listed) < 1


def test_statements_that_outrun_their_limit_take_no_further_connections(
    overload: Callable[[float], Overload],
) -> None:
    load = overload(6)

    with load.counted_connections() as connections:
        answers = asyncio.run(load.offer(per_second=POOL_SIZE, seconds=10))

    assert {refusal(answer) for answer in answers} == {(503, "SERVICE_UNAVAILABLE")}
    assert load.database.titles() == []
    assert max(connections) == POOL_SIZE
    assert max(seconds(answer) for answer in answers) < ANSWER_SECONDS
