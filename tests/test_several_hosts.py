"""A database at several addresses, of which some do not answer."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from cluster import Cluster, Database
from deployments import RESUME_SECONDS, SingleWorker, assert_refused_in_time, fill_pool
from endpoints import ENDPOINTS
from fixtures import RunService
from gate import Gate
from ports import free_port
from sqlalchemy.exc import OperationalError
from waiting import eventually

from database import make_engine
from settings import database_url

pytestmark = pytest.mark.waits


@contextmanager
def silent_at(address: str, port: int) -> Iterator[None]:
    """Connections are accepted, and never answered."""
    with socket.create_server((address, port)):
        yield


def url_of(database: Database, first_port: int) -> str:
    """Names another host before the one on which the database is."""
    return database.url(f"127.0.0.1:{first_port},127.0.0.1")


@pytest.fixture
def database(cluster: Cluster) -> Database:
    return Database(cluster)


def connect(url: str) -> int:
    engine = make_engine(database_url(url))
    try:
        with engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT 1").scalar_one())
    finally:
        engine.dispose()


def test_a_host_that_refuses_connections_is_passed_over(database: Database) -> None:
    assert connect(url_of(database, free_port())) == 1


def test_a_host_that_is_silent_is_passed_over(database: Database) -> None:
    port = free_port()

    with silent_at("127.0.0.1", port):
        assert connect(url_of(database, port)) == 1


def test_an_address_that_is_silent_is_passed_over_for_the_names_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        assert host == "tasks-database.invalid"
        return [(None, None, None, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    with silent_at("127.0.0.2", database.cluster.port):
        assert connect(database.url("tasks-database.invalid")) == 1


def test_a_timeout_in_the_url_is_not_looked_at(database: Database) -> None:
    assert connect(database.url() + "?connect_timeout=0") == 1


def test_an_error_names_what_each_host_said(database: Database) -> None:
    refusing, unknown = free_port(), database.url().rpartition("/")[0] + "/no_such_database"
    url = unknown.replace("127.0.0.1", f"127.0.0.1:{refusing},127.0.0.1", 1)

    with pytest.raises(OperationalError, match=r'refused.*; .*"no_such_database" does not exist'):
        connect(url)


def test_a_first_host_that_falls_silent_costs_a_few_503_and_is_then_asked_last(
    database: Database, run_service: RunService, clients: ThreadPoolExecutor
) -> None:
    with (
        Gate(database.cluster.port) as first,
        run_service(NEON_DATABASE_URL=url_of(database, first.port)) as service,
    ):
        service.wait_until_started()
        worker = SingleWorker(service, database)
        worker.create()
        fill_pool(service.client, database, clients)

        first.silence()
        answers = [clients.submit(worker.call, ENDPOINTS[0]) for _ in range(5)]
        for answer in answers:
            assert_refused_in_time(answer.result())

        eventually(
            "an answer from the second host",
            lambda: worker.call(ENDPOINTS[0]).status_code == 200,
            seconds=RESUME_SECONDS,
        )
        asked = first.accepted
        fill_pool(service.client, database, clients)

        assert first.accepted == asked
        assert "Traceback" not in service.log()
