"""What PostgreSQL refuses: 503 if it passes by itself, 500 if somebody must mend something."""

from collections.abc import Callable, Iterator

import pytest
from answers import refusal
from cluster import Cluster, Database
from endpoints import TASKS
from fixtures import RunService
from places import current_database
from service import Service
from users import bearer
from waiting import eventually

TITLE = {"title": "Buy groceries"}

REFUSE_INSERTS = """
CREATE TABLE refusal (state text);
INSERT INTO refusal VALUES ('00000');
GRANT SELECT ON refusal TO PUBLIC;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE EXCEPTION ''refused'' USING ERRCODE = (SELECT state FROM refusal); END';
CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture(scope="module")
def running(cluster: Cluster, run_service: RunService) -> Iterator[tuple[Service, Database]]:
    database = current_database(cluster)
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        yield service.wait_until_started(), database


@pytest.fixture(scope="module")
def refusing(cluster: Cluster, run_service: RunService) -> Iterator[tuple[Service, Database]]:
    """A service whose database refuses every insert, with the SQLSTATE in the table `refusal`."""
    database = current_database(cluster)
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        service.wait_until_started()
        database.run(REFUSE_INSERTS)
        yield service, database


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("08006", 503),  # connection failure
        ("25006", 503),  # read-only transaction
        ("40001", 503),  # serialization failure
        ("40P01", 503),  # deadlock
        ("53100", 503),  # disk full
        ("53300", 503),  # too many connections
        ("55P03", 503),  # lock not available
        ("57014", 503),  # statement timeout
        ("57P01", 503),  # shutdown
        ("58030", 503),  # I/O error
        ("42501", 500),  # no right to the table
        ("54001", 500),  # statement too complex
        ("XX000", 500),  # internal error
    ],
)
def test_what_passes_by_itself_is_503_and_what_does_not_is_500(
    refusing: tuple[Service, Database], state: str, expected: int
) -> None:
    service, database = refusing
    database.run("UPDATE refusal SET state = %s", state)
    written = len(service.log())

    answer = service.client.post(TASKS, json=TITLE, headers=bearer())

    assert refusal(answer)[0] == expected
    assert ("Retry-After" in answer.headers) is (expected == 503)
    log = service.log()[written:]
    assert state in log
    assert ("Traceback" in log or "Crash" in log) is (expected == 500)


@pytest.fixture
def read_only(running: tuple[Service, Database]) -> Iterator[Callable[[str], None]]:
    """Makes new connections read-only, as those to a replica are, or no more."""
    _, database = running

    def read_only(switch: str) -> None:
        database.cluster.run(
            f"ALTER DATABASE {database.name} SET default_transaction_read_only = {switch}"
        )

    yield read_only
    read_only("off")
    database.close_connections()


def test_a_read_only_database_serves_reads_and_refuses_writes_for_now(
    running: tuple[Service, Database], read_only: Callable[[str], None]
) -> None:
    service, database = running
    read_only("on")
    database.close_connections()
    written = len(service.log())

    answer = service.client.post(TASKS, json=TITLE, headers=bearer())

    assert refusal(answer) == (503, "SERVICE_UNAVAILABLE")
    assert "Retry-After" in answer.headers
    assert "ReadOnlySqlTransaction, SQLSTATE 25006" in service.log()[written:]
    assert "Crash" not in service.log()
    assert service.client.get(TASKS, headers=bearer()).status_code == 200
    assert refusal(service.client.get("/ready")) == (503, "SERVICE_UNAVAILABLE")


def test_connections_to_what_became_a_replica_are_replaced(
    running: tuple[Service, Database], read_only: Callable[[str], None]
) -> None:
    """A failover moves the name, not the connections that are there."""
    service, database = running
    read_only("on")
    database.close_connections()
    assert service.client.get("/ready").status_code == 503
    read_only("off")

    eventually(
        "a create",
        lambda: service.client.post(TASKS, json=TITLE, headers=bearer()).status_code == 201,
        seconds=5,
    )

    assert service.client.get("/ready").json() == {"status": "ready"}
