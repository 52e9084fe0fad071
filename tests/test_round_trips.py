"""One round trip to the database for each request, counted on the wire."""

from uuid import uuid4

import pytest
from counting_proxy import CountingProxy, trips_of
from endpoints import OF_ONE_TASK, TASKS, Endpoint, each_endpoint, each_endpoint_of_one_task
from fastapi.testclient import TestClient
from users import OWNER, bearer


@each_endpoint
def test_a_success_is_one_round_trip(
    proxy: CountingProxy, far_client: TestClient, far_task: int, endpoint: Endpoint
) -> None:
    statuses = []

    trips = trips_of(
        proxy,
        lambda: statuses.append(endpoint.call(far_client, task_id=far_task).status_code),
    )

    assert (trips, statuses) in [(1, [200]), (1, [201])]


@each_endpoint_of_one_task
def test_a_task_that_is_not_there_is_one_round_trip(
    proxy: CountingProxy, far_client: TestClient, endpoint: Endpoint
) -> None:
    statuses = []

    trips = trips_of(
        proxy, lambda: statuses.append(endpoint.call(far_client, task_id=2**62).status_code)
    )

    assert (trips, statuses) == (1, [404])


def test_an_update_of_nothing_is_one_round_trip(
    proxy: CountingProxy, far_client: TestClient, far_task: int
) -> None:
    trips = trips_of(proxy, lambda: far_client.put(f"/api/{OWNER}/tasks/{far_task}", json={}))

    assert trips == 1


def test_completion_that_is_set_is_one_round_trip(
    proxy: CountingProxy, far_client: TestClient, far_task: int
) -> None:
    path = f"/api/{OWNER}/tasks/{far_task}/complete"

    trips = trips_of(proxy, lambda: far_client.patch(path, json={"completed": True}))

    assert trips == 1


def test_a_recurring_task_takes_a_few_round_trips(
    proxy: CountingProxy, far_client: TestClient, far_task: int
) -> None:
    path = f"{TASKS}/{far_task}"
    far_client.put(path, json={"recurrence": {"pattern": "daily"}})

    def trips(body: object) -> int:
        return trips_of(proxy, lambda: far_client.patch(f"{path}/complete", json=body))

    # The task as it is; it and its successor, changed together; its successor.
    assert trips({"completed": True}) == 3
    assert trips({"completed": True}) == 2
    assert trips({"completed": False}) == 2
    assert trips(None) == 3
    assert trips(None) == 2
    assert trips_of(proxy, lambda: far_client.put(path, json={"title": "x"})) == 1


@pytest.mark.parametrize("number", [1, 40])
def test_many_recurring_tasks_take_a_few_round_trips_however_many_they_are(
    proxy: CountingProxy, far_client: TestClient, far_task: int, number: int
) -> None:
    title = uuid4().hex
    for _ in range(number):
        body = {"title": title, "recurrence": {"pattern": "daily"}}
        assert far_client.post(TASKS, json=body).status_code == 201
    answers = []

    def trips(*, completed: bool) -> int:
        return trips_of(
            proxy,
            lambda: answers.append(
                far_client.patch(
                    f"{TASKS}/complete?filter=all&q={title}", json={"completed": completed}
                ).json()["data"]
            ),
        )

    assert trips(completed=True) == 4
    assert answers == [{"updated": number, "created": number}]
    assert trips(completed=False) == 3


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer junk"}, bearer("user_bob")],
    ids=["no", "bad", "other"],
)
def test_who_may_not_enter_causes_none(
    proxy: CountingProxy, far_client: TestClient, headers: dict[str, str]
) -> None:
    far_client.headers.pop("Authorization")

    trips = trips_of(
        proxy,
        lambda: [
            endpoint.call(far_client, headers=headers).status_code for endpoint in OF_ONE_TASK
        ],
    )

    assert trips == 0
