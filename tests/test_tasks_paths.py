"""The paths under `/tasks`: `stats` and `complete` are no ids."""

from collections.abc import Callable

import pytest
from answers import refusal
from endpoints import TASKS
from fastapi.testclient import TestClient
from texts import TASK_ID, bad

from models import Task

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
ALLOWED = {
    "": {"GET", "POST", "DELETE"},
    "/stats": {"GET"},
    "/complete": {"PATCH"},
    "/1": {"GET", "PUT", "PATCH", "DELETE"},
    "/1/complete": {"PATCH"},
    # No fixed paths lie below a fixed path: `stats` stands in the place of an id.
    "/stats/complete": {"PATCH"},
    "/complete/complete": {"PATCH"},
    "/Stats": {"GET", "PUT", "PATCH", "DELETE"},
    "/statistics": {"GET", "PUT", "PATCH", "DELETE"},
    "/st%61ts": {"GET", "PUT", "PATCH", "DELETE"},
}


@pytest.mark.without_sql
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", ALLOWED)
def test_another_method_is_405_with_every_method_of_the_path(
    alice: TestClient, path: str, slash: str
) -> None:
    for method in METHODS:
        if method in ALLOWED[path]:
            continue

        response = alice.request(method, TASKS + path + slash)

        assert response.status_code == 405
        assert response.headers["Allow"] == ", ".join(sorted(ALLOWED[path]))
        if method != "HEAD":
            assert refusal(response) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.without_sql
@pytest.mark.parametrize("path", ALLOWED)
def test_405_needs_no_token(client: TestClient, path: str) -> None:
    response = client.request("TRACE", TASKS + path)

    assert refusal(response) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.without_sql
@pytest.mark.parametrize("path", ["/stats/complete", "/complete/complete", "/Stats", "/st%61ts"])
def test_a_name_in_the_place_of_an_id_is_refused(alice: TestClient, path: str) -> None:
    response = alice.request("PATCH", TASKS + path, json={})

    assert (response.status_code, response.json()) == bad(TASK_ID)


@pytest.mark.without_sql
@pytest.mark.parametrize(
    "path", ["/stats/1", "/complete/stats", "/1/stats", "/1/complete/1", "//stats", "/stats//"]
)
def test_there_are_no_other_paths(alice: TestClient, path: str) -> None:
    response = alice.get(TASKS + path)

    assert refusal(response) == (404, "NOT_FOUND")


def test_a_slash_at_the_end_is_ignored(alice: TestClient, stored: Callable[..., Task]) -> None:
    stored()

    stats = alice.get(f"{TASKS}/stats/?filter=pending", follow_redirects=False)
    completed = alice.patch(f"{TASKS}/complete/?filter=all", json={"completed": True})
    deleted = alice.delete(f"{TASKS}/?filter=all", follow_redirects=False)

    assert (stats.status_code, stats.json()["data"]["total"]) == (200, 1)
    assert (completed.status_code, completed.json()["data"]) == (200, {"updated": 1, "created": 0})
    assert (deleted.status_code, deleted.json()["data"]) == (200, {"deleted": 1})
