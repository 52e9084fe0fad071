"""Requests of one user at the same time."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from endpoints import TASKS
from sqlalchemy import Engine
from sqlmodel import Session, select
from stored_tasks import FULL, wire
from users import bearer

import main
from driver import admission, executors, postgres
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


DAILY = {"pattern": "daily", "interval": 1, "end_date": None}


@pytest.fixture
def no_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent at once is served, however busy the machine is."""
    for module, name in (
        (admission, "TURN_SECONDS"),
        (executors, "TURN_SECONDS"),
        (executors, "WORK_SECONDS"),
        (postgres, "STATEMENT_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 60)


@pytest.mark.usefixtures("client", "no_overload")
def test_eighty_toggles_at_once_leave_a_recurring_task_as_it_was_and_without_a_successor(
    stored: Callable[..., Task],
) -> None:
    task = stored(recurrence=DAILY)

    responses = at_once(*[("PATCH", f"{TASKS}/{task.id}/complete", None)] * 80)

    assert {response.status_code for response in responses} == {200}
    assert sum(response.json()["data"]["completed"] for response in responses) == 40
    [listed] = at_once(("GET", TASKS, None))
    assert [(one["id"], one["completed"]) for one in listed.json()["data"]] == [(task.id, False)]


@pytest.mark.usefixtures("client", "no_overload")
def test_a_recurring_task_that_is_completed_many_times_at_once_has_one_successor(
    stored: Callable[..., Task],
) -> None:
    task = stored(recurrence=DAILY)
    path, completed = f"{TASKS}/{task.id}", {"completed": True}

    responses = at_once(*[("PATCH", f"{path}/complete", completed), ("PUT", path, completed)] * 15)

    assert {response.status_code for response in responses} == {200}
    [listed] = at_once(("GET", TASKS, None))
    successor, _ = listed.json()["data"]
    assert {response.json()["next_task"]["id"] for response in responses} == {successor["id"]}


@pytest.mark.usefixtures("client", "no_overload")
def test_a_due_date_that_changes_meanwhile_is_the_one_that_is_counted_from(
    stored: Callable[..., Task],
) -> None:
    tasks = [stored(recurrence=DAILY, due_date="2999-01-01") for _ in range(20)]

    responses = at_once(
        *(
            request
            for task in tasks
            for request in (
                ("PATCH", f"{TASKS}/{task.id}/complete", {"completed": True}),
                ("PUT", f"{TASKS}/{task.id}", {"due_date": "2999-06-01"}),
            )
        )
    )

    assert {response.status_code for response in responses} == {200}
    for completion in responses[::2]:
        answer = completion.json()
        day = answer["data"]["due_date"][:-1]
        assert answer["next_task"]["due_date"] == f"{day}2"


@pytest.mark.usefixtures("client", "no_overload")
def test_a_successor_that_is_completed_while_its_task_is_taken_back_stays_or_is_gone(
    stored: Callable[..., Task],
) -> None:
    for _ in range(10):
        task = stored(recurrence=DAILY)
        path = f"{TASKS}/{task.id}/complete"
        [completion] = at_once(("PATCH", path, {"completed": True}))
        successor = completion.json()["next_task"]["id"]

        taken_back, completed = at_once(
            ("PATCH", path, {"completed": False}),
            ("PATCH", f"{TASKS}/{successor}/complete", {"completed": True}),
        )

        assert taken_back.status_code == 200
        [listed] = at_once(("GET", TASKS, None))
        found = {one["id"]: one["completed"] for one in listed.json()["data"]}
        if completed.status_code == 404:
            assert successor not in found
        else:
            assert found[successor] is True
            assert found[completed.json()["next_task"]["id"]] is False


@pytest.mark.usefixtures("client", "no_overload")
def test_after_many_acts_at_once_the_completed_tasks_are_followed_and_the_pending_ones_are_not(
    stored: Callable[..., Task], engine: Engine
) -> None:
    tasks = [stored(recurrence=DAILY, tags=["series"]) for _ in range(5)]
    every = f"{TASKS}/complete?filter=all&tag=series"

    responses = at_once(
        *[("PATCH", every, {"completed": completed}) for completed in (True, False)] * 4,
        *(("PATCH", f"{TASKS}/{task.id}/complete", {"completed": False}) for task in tasks),
        *(("PATCH", f"{TASKS}/{task.id}/complete", None) for task in tasks),
    )

    assert {response.status_code for response in responses} == {200}
    with Session(engine) as session:
        found = session.exec(select(Task)).all()
    followers = {task.predecessor_id: task for task in found}
    for task in found:
        successor = followers.get(task.id)
        if task.completed:
            assert successor
        elif successor:
            # Completed once, by a request that began before it was there: its times stand still.
            was_completed = successor.completed or successor.is_followed
            assert was_completed or successor.updated_at > successor.created_at


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
