"""Requests that are given up at any moment: nobody else gets their answers."""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from weakref import WeakSet

import httpx2
import pytest
from fixtures import SetEnvironment
from sqlalchemy import Engine, event
from users import bearer

import main
from driver.postgres import OwnConnection
from models import Task

CONNECTIONS = 3
ASKERS = [f"asker_{number}" for number in range(30)]
ROUNDS = 20


@dataclass
class Connections:
    """The connections that are made from now on. One that nobody has any more closes itself."""

    made = 0
    kept: WeakSet[OwnConnection] = field(default_factory=WeakSet)

    def note(self, connection: OwnConnection, _: object) -> None:
        self.made += 1
        self.kept.add(connection)

    def open(self) -> int:
        return len([connection for connection in self.kept if not connection.closed])


@pytest.fixture
def connections(engine: Engine, no_tasks: None) -> Iterator[Connections]:
    engine.dispose()
    connections = Connections()
    event.listen(engine, "connect", connections.note)
    yield connections
    event.remove(engine, "connect", connections.note)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_an_answer_is_its_askers_though_others_give_up_at_any_moment(
    stored: Callable[..., Task], connections: Connections, set_environment: SetEnvironment
) -> None:
    set_environment(DATABASE_POOL_SIZE=str(CONNECTIONS))
    for asker in ASKERS:
        stored(asker, user_id=asker)
    chance = random.Random(20261130)
    answers: list[tuple[str, httpx2.Response]] = []

    async def ask(client: httpx2.AsyncClient, asker: str, patience: float) -> bool:
        """Whether the answer was waited for."""
        try:
            async with asyncio.timeout(patience):
                answer = await client.get(f"/api/{asker}/tasks", headers=bearer(asker))
        except TimeoutError:
            return False
        answers.append((asker, answer))
        return True

    async def send() -> tuple[float, int]:
        waited_for = 0
        transport = httpx2.ASGITransport(main.app)
        async with (
            main.app.router.lifespan_context(main.app),
            httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            began = monotonic()
            await asyncio.gather(*(ask(client, asker, 60) for asker in ASKERS))
            longest = monotonic() - began
            asked = 0
            # Until some were given up while their statement was under way, too.
            while asked < ROUNDS * len(ASKERS) or connections.made <= CONNECTIONS:
                round_of_askers = [
                    ask(client, asker, chance.uniform(0, longest)) for asker in ASKERS
                ]
                waited_for += sum(await asyncio.gather(*round_of_askers))
                asked += len(ASKERS)
            await asyncio.gather(*(ask(client, asker, 60) for asker in ASKERS))
            return waited_for / asked, connections.open()

    share_waited_for, left = asyncio.run(send())

    assert 0 < share_waited_for < 1
    assert [answer.status_code for _, answer in answers if answer.status_code != 200] == []
    titles = [
        (asker, [each["title"] for each in answer.json()["data"]]) for asker, answer in answers
    ]
    assert titles == [(asker, [asker]) for asker, _ in answers]
    assert connections.made > CONNECTIONS
    assert 0 < left <= CONNECTIONS
    assert connections.open() == 0
