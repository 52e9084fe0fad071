"""The endpoints of tasks as a table, for the rules that hold for every one of them."""

from typing import Any, NamedTuple

import httpx2
import pytest
from users import OWNER

# The list of Alice.
TASKS = f"/api/{OWNER}/tasks"
JSON = {"Content-Type": "application/json"}
# The front end, which the service allows by default.
ORIGIN = "http://localhost:3000"


class Endpoint(NamedTuple):
    """`body` is one that the endpoint accepts; None if it needs none. So is `query`."""

    name: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    query: str = ""

    def url(self, user_id: str = OWNER, task_id: object = 1) -> str:
        return self.path.format(user_id=user_id, task_id=task_id) + self.query

    def call(
        self, client: httpx2.Client, user_id: str = OWNER, task_id: object = 1, **options: Any
    ) -> httpx2.Response:
        """Send a request that nothing is wrong with, but for what `options` replace."""
        if self.body is not None and "content" not in options:
            options.setdefault("json", self.body)
        return client.request(self.method, self.url(user_id, task_id), **options)


ENDPOINTS = (
    Endpoint("list_tasks", "GET", "/api/{user_id}/tasks"),
    Endpoint("create_task", "POST", "/api/{user_id}/tasks", {"title": "Read a book"}),
    Endpoint("get_task", "GET", "/api/{user_id}/tasks/{task_id}"),
    Endpoint("update_task", "PUT", "/api/{user_id}/tasks/{task_id}", {"title": "Read a book"}),
    Endpoint("patch_task", "PATCH", "/api/{user_id}/tasks/{task_id}", {"title": "Read a book"}),
    Endpoint("delete_task", "DELETE", "/api/{user_id}/tasks/{task_id}"),
    Endpoint("toggle_task_completion", "PATCH", "/api/{user_id}/tasks/{task_id}/complete"),
    Endpoint("get_task_stats", "GET", "/api/{user_id}/tasks/stats"),
    Endpoint(
        "complete_tasks",
        "PATCH",
        "/api/{user_id}/tasks/complete",
        {"completed": True},
        query="?filter=all",
    ),
    Endpoint("delete_tasks", "DELETE", "/api/{user_id}/tasks", query="?filter=all"),
)
OF_ONE_TASK = tuple(endpoint for endpoint in ENDPOINTS if "{task_id}" in endpoint.path)
WITH_BODY = tuple(endpoint for endpoint in ENDPOINTS if endpoint.body)


def _each(endpoints: tuple[Endpoint, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("endpoint", endpoints, ids=lambda endpoint: endpoint.name)


each_endpoint = _each(ENDPOINTS)
each_endpoint_of_one_task = _each(OF_ONE_TASK)
each_endpoint_with_body = _each(WITH_BODY)
