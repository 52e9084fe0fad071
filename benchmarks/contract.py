"""One user's session over HTTP, which every server must answer as the contract says."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from json import dumps, loads
from time import perf_counter
from typing import Any

from benchmarks.servers import Server, token_for

TITLE = "Buy groceries"
UNKNOWN_ID = 2**62


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    seconds: float

    def json(self) -> Any:
        return loads(self.body)


class Client:
    """One user on one keep-alive connection."""

    def __init__(self, connection: HTTPConnection, user: str, token: str) -> None:
        self.user = user
        self._connection = connection
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def send(
        self, method: str, path: str = "", body: object = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        content = None if body is None else dumps(body)
        sent = {**self._headers, **headers}
        began = perf_counter()
        self._connection.request(method, f"/api/{self.user}/tasks{path}", content, sent)
        response = self._connection.getresponse()
        answer = response.read()
        return Answer(response.status, answer, perf_counter() - began)

    def create(self) -> int:
        task_id: int = self.send("POST", body={"title": TITLE}).json()["data"]["id"]
        return task_id


@contextmanager
def client_of(server: Server, user: str, token: str | None = None) -> Iterator[Client]:
    connection = server.connect()
    try:
        yield Client(connection, user, token or token_for(user))
    finally:
        connection.close()


@dataclass(frozen=True)
class Operation:
    """A request, and the status that answers it."""

    status: int
    method: str
    path: str = ""
    body: object = None

    def send(self, client: Client) -> Answer:
        answer = client.send(self.method, self.path, self.body)
        _expect(answer.status, self.status)
        return answer


def operations(client: Client) -> dict[str, Operation]:
    """The six endpoints and their 404s, ready to be sent once, on tasks made for it."""
    task, doomed = client.create(), client.create()
    changes = {"title": TITLE}
    return {
        "list": Operation(200, "GET"),
        "create": Operation(201, "POST", body=changes),
        "get": Operation(200, "GET", f"/{task}"),
        "put": Operation(200, "PUT", f"/{task}", changes),
        "toggle": Operation(200, "PATCH", f"/{task}/complete"),
        "delete": Operation(200, "DELETE", f"/{doomed}"),
        "get, 404": Operation(404, "GET", f"/{UNKNOWN_ID}"),
        "put, 404": Operation(404, "PUT", f"/{UNKNOWN_ID}", changes),
        "toggle, 404": Operation(404, "PATCH", f"/{UNKNOWN_ID}/complete"),
        "delete, 404": Operation(404, "DELETE", f"/{UNKNOWN_ID}"),
    }


def check(server: Server) -> None:
    """End the run unless the server does what it says."""
    with client_of(server, "checker") as client:
        _check_session(client)
    with client_of(server, "checker", token="no-token") as stranger:
        _expect(stranger.send("GET").status, 401)
    with client_of(server, "checker", token_for("somebody_else")) as somebody_else:
        _expect(somebody_else.send("GET").status, 403)


# What every version and the peer have in common.
FIELDS = ("id", "user_id", "title", "description", "completed", "created_at", "updated_at")


def _check_session(client: Client) -> None:
    created = client.send("POST", body={"title": TITLE, "description": "Milk"})
    task = _common(created)
    _expect(created.status, 201)
    _expect(created.json()["message"], "Task created")
    expected = {"user_id": client.user, "title": TITLE, "description": "Milk", "completed": False}
    _expect(task, {**task, **expected})
    path = f"/{task['id']}"
    _expect(_all(client.send("GET")), [task])
    _expect(client.send("GET").json()["message"], "Tasks retrieved")
    _expect(_common(client.send("GET", path)), task)

    updated = _common(client.send("PUT", path, {"title": "Buy bread"}))
    task = {**task, "title": "Buy bread", "updated_at": updated["updated_at"]}
    _expect(updated, task)

    toggled = client.send("PATCH", f"{path}/complete")
    task = {**task, "completed": True, "updated_at": _common(toggled)["updated_at"]}
    _expect(_common(toggled), task)
    _expect(toggled.json()["message"], "Task marked as completed")
    _expect(_all(client.send("GET", "?filter=completed")), [task])
    _expect(_all(client.send("GET", "?filter=pending")), [])

    _expect(client.send("DELETE", path).json(), {"data": None, "message": "Task deleted"})
    _expect(client.send("GET", path).status, 404)
    _expect(_all(client.send("GET")), [])
    refused = client.send("POST", body={"title": ""})
    _expect(refused.status in {400, 422}, expected=True)  # the peer leaves FastAPI's own


def _common(answer: Answer) -> dict[str, Any]:
    return _shown(answer.json()["data"])


def _all(answer: Answer) -> list[dict[str, Any]]:
    return [_shown(task) for task in answer.json()["data"]]


def _shown(task: dict[str, Any]) -> dict[str, Any]:
    return {field: task[field] for field in FIELDS}


def _expect(actual: object, expected: object) -> None:
    if actual != expected:
        raise SystemExit(f"The server answers {actual!r}, not {expected!r}")
