"""One round trip to the database for each request, counted on the wire."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from endpoints import OF_ONE_TASK, Endpoint, each_endpoint, each_endpoint_of_one_task
from fastapi.testclient import TestClient
from sqlalchemy.engine import URL
from sqlmodel import Session
from users import OWNER, bearer

import database
import main
from models import Task


class CountingProxy:
    """Forwards to PostgreSQL, and counts what clients send first of all or after an answer."""

    def __init__(self, target: URL) -> None:
        self.round_trips = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.url = target.difference_update_query(["host"]).set(
            host="127.0.0.1", port=self._listener.getsockname()[1]
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _connect(self) -> socket.socket:
        folder = self._target.query.get("host")
        port = self._target.port or 5432
        if self._target.host or not isinstance(folder, str):
            return socket.create_connection((self._target.host or "127.0.0.1", port))
        to_server = socket.socket(socket.AF_UNIX)
        to_server.connect(str(Path(folder) / f".s.PGSQL.{port}"))
        return to_server

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._sockets += [client, server]
                answered = threading.Event()
                answered.set()
                for source, sink, is_client in ((client, server, True), (server, client, False)):
                    threading.Thread(
                        target=self._forward, args=(source, sink, answered, is_client), daemon=True
                    ).start()

    def _forward(
        self,
        source: socket.socket,
        sink: socket.socket,
        answered: threading.Event,
        is_client: bool,
    ) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                if not is_client:
                    answered.set()
                elif answered.is_set():
                    answered.clear()
                    self.round_trips += 1
                sink.sendall(data)


@pytest.fixture
def proxy(postgresql_url: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingProxy]:
    """The app's database, behind a proxy, with its pool warm and a task in it."""
    proxy = CountingProxy(postgresql_url)
    engine = database.make_engine(proxy.url)
    monkeypatch.setattr(database, "engine", engine)
    yield proxy
    engine.dispose()
    proxy.close()


@pytest.fixture
def far_client(proxy: CountingProxy) -> Iterator[TestClient]:
    with TestClient(main.app, headers=bearer()) as client:
        client.get(f"/api/{OWNER}/tasks")
        yield client


@pytest.fixture
def far_task(far_client: TestClient) -> int:
    with Session(database.engine) as session:
        task = Task(user_id=OWNER, title="Far away")
        session.add(task)
        session.commit()
        assert task.id
        return task.id


def trips_of(proxy: CountingProxy, request: Callable[[], object]) -> int:
    before = proxy.round_trips
    request()
    return proxy.round_trips - before


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
