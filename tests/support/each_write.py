"""The three requests that write a field of a task: POST, PUT and PATCH."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
from endpoints import JSON, TASKS

from models import Task


def write(client: httpx2.Client, task: Task, field: str, value: Any) -> Iterator[httpx2.Response]:
    """Create a task with this value, then change `task` to it in both ways."""
    path = f"{TASKS}/{task.id}"
    change = {field: value}
    requests = [("POST", TASKS, {"title": "x"} | change), ("PUT", path, change)]
    for method, url, body in [*requests, ("PATCH", path, change)]:
        # `json=` of the client refuses what tests must send, lone surrogates for one.
        yield client.request(method, url, content=json.dumps(body), headers=JSON)


def kept(client: httpx2.Client, task: Task, field: str, value: Any) -> list[Any]:
    """What becomes of the value in each way of writing it, and in every later answer."""
    values = []
    for answer in write(client, task, field, value):
        assert answer.is_success, answer.text
        written = answer.json()["data"]
        assert client.get(f"{TASKS}/{written['id']}").json()["data"] == written
        values.append(written[field])
    assert written in client.get(TASKS).json()["data"]
    return values


def refusals(client: httpx2.Client, task: Task, field: str, value: Any) -> list[tuple[int, Any]]:
    """The answers to each way of writing the value."""
    return [(answer.status_code, answer.json()) for answer in write(client, task, field, value)]
