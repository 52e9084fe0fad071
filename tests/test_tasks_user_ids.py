"""Every user id that a URL can name owns tasks."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from endpoints import Endpoint, each_endpoint
from fastapi.testclient import TestClient
from users import bearer

from models import Task


@pytest.mark.parametrize("letter", ["x", "😀"])
def test_a_user_id_of_255_code_points_owns_tasks_like_any_other(
    client: TestClient, letter: str
) -> None:
    user_id = letter * 255

    response = client.post(
        f"/api/{quote(user_id)}/tasks", json={"title": "x"}, headers=bearer(user_id)
    )

    assert response.status_code == 201
    assert response.json()["data"]["user_id"] == user_id


@pytest.mark.parametrize(
    "user_id",
    [
        "user_abc123",
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "jürgen müller",
        "100%",
        "a?b#c",
        "a+b&c=d;e:f@g",
        "😀",
        "a/b",
        "a/tasks/1",
    ],
)
def test_location_is_the_percent_encoded_path_of_the_task(client: TestClient, user_id: str) -> None:
    path = f"/api/{quote(user_id, safe='')}/tasks"

    created = client.post(path, json={"title": "x"}, headers=bearer(user_id))

    assert created.status_code == 201
    location = created.headers["Location"]
    assert location == f"{path}/{created.json()['data']['id']}"
    fetched = client.get(location, headers=bearer(user_id))
    assert fetched.json()["data"] == created.json()["data"]


@each_endpoint
def test_a_user_id_with_a_slash_reaches_every_endpoint(
    client: TestClient, stored: Callable[..., Task], endpoint: Endpoint
) -> None:
    task = stored(user_id="a/b")

    response = endpoint.call(client, "a%2Fb", task.id, headers=bearer("a/b"))

    assert response.is_success
