"""What answers have in common, by their status."""

from typing import Any

import httpx2
from endpoints import ORIGIN

NO_TASKS: dict[str, Any] = {"data": [], "message": "Tasks retrieved", "next_cursor": None}


def seconds(answer: httpx2.Response) -> float:
    """How long the client waited."""
    return answer.elapsed.total_seconds()


def refusal(response: httpx2.Response) -> tuple[int, str]:
    """The status and code of an answer that is not a success, in the one shape that it may have."""
    body = response.json()
    assert body == {"error": body["error"], "code": body["code"]}
    assert isinstance(body["error"], str)
    assert body["error"]
    assert response.headers["Content-Type"] == "application/json"
    return response.status_code, body["code"]


def assert_opened(response: httpx2.Response) -> None:
    assert (response.status_code, response.json()) == (200, NO_TASKS)


def assert_unauthorized(response: httpx2.Response) -> None:
    assert refusal(response) == (401, "UNAUTHORIZED")
    assert len(response.json()["error"]) < 100
    assert response.headers["WWW-Authenticate"] == "Bearer"


def assert_unavailable(response: httpx2.Response) -> None:
    """A 503 that a page of the front end can read."""
    assert refusal(response) == (503, "SERVICE_UNAVAILABLE")
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]
