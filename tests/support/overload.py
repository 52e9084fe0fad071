"""A load that is more than the database can take."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import httpx2
from cluster import Database
from endpoints import TASKS
from fixtures import RunService
from service import Service
from users import bearer

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
        """Send creates at a constant rate, each of another user, whether or not the ones before are
        answered.
        """
        async with self._client() as client:
            creates = []
            began = monotonic()
            for number in range(int(per_second * seconds)):
                await asyncio.sleep(began + number / per_second - monotonic())
                user = f"user_{number}"
                create = client.post(
                    f"/api/{user}/tasks", json={"title": f"Task {number}"}, headers=bearer(user)
                )
                creates.append(asyncio.create_task(create))
            # One that comes a second after the last.
            await asyncio.sleep(1)
            self.listed = await client.get(TASKS)
            return await asyncio.gather(*creates)

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=self.service.origin,
            headers=bearer(),
            limits=httpx2.Limits(max_connections=None),
            timeout=30,
            trust_env=False,
        )


@contextmanager
def overloading(
    database: Database, run_service: RunService
) -> Iterator[Callable[[float], Overload]]:
    """Gives a worker whose every insert takes so many seconds."""
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
