"""Requests of one user at the same time."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from endpoints import TASKS
from stored_tasks import FULL, wire
from users import bearer

import main
from models import Task

CHANGES = FULL | {"completed": True}


def at_once(*requests: tuple[str, str, Any]) -> list[httpx2.Response]:
    """Send all the requests (method, path, body) to the app without waiting for an answer."""

    async def send() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app=main.app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://test", headers=bearer()
        ) as client:
            return await asyncio.gather(
                *(client.request(method, path, json=body) for method, path, body in requests)
            )

    return asyncio.run(send())


@pytest.mark.usefixtures("client")
def test_eighty_toggles_at_once_leave_a_task_as_it_was(
    stored: Callable[..., Task], load: Callable[[int], Task | None]
) -> None:
    task = stored()
    assert task.id

    responses = at_once(*[("PATCH", f"{TASKS}/{task.id}/complete", None)] * 80)

    assert [response.status_code for response in responses] == [200] * 80
    toggled = [response.json()["data"] for response in responses]
    assert sum(one["completed"] for one in toggled) == 40
    assert all(
        one["completed_at"] == (one["updated_at"] if one["completed"] else None) for one in toggled
    )
    after = load(task.id)
    assert after is not None
    assert (after.completed, after.completed_at) == (False, None)


@pytest.mark.usefixtures("client")
def test_a_task_that_is_completed_many_times_at_once_is_completed_once(
    stored: Callable[..., Task],
) -> None:
    task = stored()
    path = f"{TASKS}/{task.id}"
    completed = {"completed": True}

    responses = at_once(
        *[("PATCH", f"{path}/complete", completed), ("PUT", path, completed)] * 20,
        *[("PATCH", path, completed)] * 20,
    )

    assert {response.status_code for response in responses} == {200}
    answers = [response.json()["data"] for response in responses]
    [completed_at] = {answer["completed_at"] for answer in answers}
    assert completed_at == min(answer["updated_at"] for answer in answers)


@pytest.mark.usefixtures("client")
def test_edits_of_different_fields_at_once_both_stay(
    stored: Callable[..., Task], load: Callable[[int], Task | None]
) -> None:
    tasks = [stored() for _ in range(20)]

    responses = at_once(
        *(
            ("PUT", f"{TASKS}/{task.id}", change)
            for task in tasks
            for change in ({name: value} for name, value in CHANGES.items())
        )
    )

    assert {response.status_code for response in responses} == {200}
    after = [load(task.id) for task in tasks if task.id]
    changed = [{name: wire(task)[name] for name in CHANGES} for task in after if task]
    assert changed == [CHANGES] * 20


@pytest.mark.usefixtures("client")
def test_tasks_created_at_once_are_all_stored(stored: Callable[..., Task]) -> None:
    first = stored()
    titles = [f"task {number}" for number in range(40)]

    responses = at_once(*(("POST", TASKS, {"title": title}) for title in titles))

    assert {response.status_code for response in responses} == {201}
    [listed] = at_once(("GET", TASKS, None))
    created = [response.json()["data"] for response in responses]
    assert len({task["id"] for task in created} | {first.id}) == 41
    assert sorted(task["title"] for task in listed.json()["data"]) == sorted([*titles, first.title])
