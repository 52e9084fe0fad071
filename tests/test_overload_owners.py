"""One user who asks for more than the database can take, and the others."""

import asyncio
from statistics import quantiles

import httpx2
import pytest
from answers import seconds
from deployments import POOL_SIZE, SingleWorker
from users import bearer
from waiting import eventually, in_time

pytestmark = pytest.mark.waits

# A pattern that nearly matches everywhere: counting these takes longer than a statement may.
NEARLY_EVERYWHERE = "ab" * 99 + "z"
LONG_TASKS = """
INSERT INTO tasks (user_id, title, description, completed, created_at, updated_at)
SELECT %s, repeat('ab', 100), repeat('ab', 500), false, now(), now() FROM generate_series(1, 20000)
"""


def test_beside_24_requests_of_one_user_that_take_too_long_another_users_lists_are_answered(
    worker: SingleWorker,
) -> None:
    """With as many tokens as requests: a user is who the token is for."""
    worker.database.run(LONG_TASKS, worker.user)
    worker.database.run("ANALYZE tasks")

    async def ask() -> tuple[list[httpx2.Response], list[httpx2.Response]]:
        async with httpx2.AsyncClient(
            base_url=worker.service.origin,
            limits=httpx2.Limits(max_connections=None),
            timeout=30,
            trust_env=False,
        ) as client:
            stats = [
                asyncio.create_task(
                    client.get(
                        f"/api/{worker.user}/tasks/stats",
                        params={"search": NEARLY_EVERYWHERE},
                        headers=bearer(worker.user, jti=f"{number}"),
                    )
                )
                for number in range(24)
            ]
            await asyncio.to_thread(
                eventually,
                "the user has all turns that one user gets",
                lambda: worker.database.connections("state = 'active'") >= POOL_SIZE // 2,
                seconds=4,
            )
            lists = []
            while not all(answer.done() for answer in stats):
                lists.append(await client.get("/api/somebody/tasks", headers=bearer("somebody")))
            return await asyncio.gather(*stats), lists

    stats, lists = asyncio.run(ask())

    assert {answer.status_code for answer in lists} == {200}
    assert in_time(quantiles([seconds(answer) for answer in lists], n=10)[-1], 1)
    assert {answer.status_code for answer in stats} <= {200, 503}
