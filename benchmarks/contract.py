"""One user's session over HTTP, which every server must answer as the contract says."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from json import dumps, loads
from time import perf_counter
from typing import Any

from benchmarks.others import PLAN
from benchmarks.progress import say
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
    say(f"checking the answers of {server.name}")
    with client_of(server, "checker") as client:
        _check_session(client, PLAN_FIELDS if server.name == PLAN else FIELDS)
    with client_of(server, "checker", token="no-token") as stranger:
        _expect(stranger.send("GET").status, 401)
    with client_of(server, "checker", token_for("somebody_else")) as somebody_else:
        _expect(somebody_else.send("GET").status, 403)


PLAN_FIELDS = ("id", "user_id", "title", "description", "completed", "created_at", "updated_at")
# Those of 1.1.0, which the peers have too.
FIELDS = (*PLAN_FIELDS, "priority", "due_date", "tags", "completed_at")


def _check_session(client: Client, fields: Sequence[str]) -> None:
    def shown(values: Mapping[str, Any]) -> dict[str, Any]:
        return {field: value for field, value in values.items() if field in fields}

    def one(answer: Answer) -> dict[str, Any]:
        task = answer.json().get("data", answer.json())
        _expect(sorted(shown(task)), sorted(fields))
        return shown(task)

    def several(answer: Answer) -> list[dict[str, Any]]:
        return [shown(task) for task in answer.json()["data"]]

    written = {"title": TITLE, "description": "Milk", "priority": "high", "tags": ["a", "b"]}
    created = client.send("POST", body={**written, "due_date": "2026-12-01"})
    task = one(created)
    _expect(created.status, 201)
    _expect(created.json()["message"], "Task created")
    unwritten = {"user_id": client.user, "completed": False, "completed_at": None}
    _expect(task, {**task, **shown({**written, "due_date": "2026-12-01", **unwritten})})
    path = f"/{task['id']}"
    _expect(several(client.send("GET")), [task])
    _expect(client.send("GET").json()["message"], "Tasks retrieved")
    _expect(one(client.send("GET", path)), task)

    changes: dict[str, Any] = {"title": "Buy bread", "due_date": None, "tags": []}
    updated = one(client.send("PUT", path, changes))
    task = {**task, **shown(changes), "updated_at": updated["updated_at"]}
    _expect(updated, task)

    toggled = client.send("PATCH", f"{path}/complete")
    moment = one(toggled)["updated_at"]
    task = {**task, **shown({"completed": True, "completed_at": moment, "updated_at": moment})}
    _expect(one(toggled), task)
    _expect(toggled.json()["message"], "Task marked as completed")
    _expect(several(client.send("GET", "?filter=completed")), [task])
    _expect(several(client.send("GET", "?filter=pending")), [])

    # Completing again does not move the time, reopening clears it.
    again = one(client.send("PUT", path, {"completed": True}))
    _expect(again, {**task, "updated_at": again["updated_at"]})
    reopened = one(client.send("PUT", path, {"completed": False}))
    cleared = shown({"completed": False, "completed_at": None})
    _expect(reopened, {**task, **cleared, "updated_at": reopened["updated_at"]})

    _expect(client.send("DELETE", path).json(), {"data": None, "message": "Task deleted"})
    _expect(client.send("GET", path).status, 404)
    _expect(several(client.send("GET")), [])
    refused = client.send("POST", body={"title": ""})
    _expect(refused.status in {400, 422}, expected=True)  # a peer leaves FastAPI's own


def _expect(actual: object, expected: object) -> None:
    if actual != expected:
        raise SystemExit(f"The server answers {actual!r}, not {expected!r}")
