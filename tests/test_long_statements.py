"""A statement that is longer than what the system takes at once."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
from cluster import Cluster
from connections import Connection, request
from endpoints import TASKS
from fixtures import RunService
from gate import TAKEN_AT_ONCE, Gate
from places import current_database
from users import OWNER
from waiting import eventually

# As many as a URL has room for. In SQL, each apostrophe is two.
TAGS = [f"{number:03x}{47 * chr(39)}" for number in range(1180)]
SQL_BYTES = sum(len(tag.replace("'", "''")) for tag in TAGS)
QUERY = "&".join(f"tag={tag}" for tag in TAGS)


def test_a_long_statement_is_sent_in_parts_while_the_service_serves_others(
    cluster: Cluster, run_service: RunService
) -> None:
    def ask() -> httpx2.Response:
        with Connection(service.port) as connection:  # which leaves apostrophes alone
            connection.send(request("GET", f"{TASKS}?{QUERY}", OWNER))
            return connection.answer()

    database = current_database(cluster)
    with (
        Gate(cluster.port, is_narrow=True) as gate,
        run_service(NEON_DATABASE_URL=database.url(port=gate.port)) as service,
        ThreadPoolExecutor() as clients,
    ):
        service.wait_until_started()
        assert service.client.get("/ready").status_code == 200
        before = gate.accepted

        gate.hold()
        asking = clients.submit(ask)
        eventually("the statement", gate.waiting_bytes, seconds=20)
        assert service.client.get("/health").status_code == 200
        waiting = gate.waiting_bytes()
        gate.let_go()
        answers = [asking.result(), ask()]

    assert waiting + TAKEN_AT_ONCE < SQL_BYTES  # the rest waited in the service
    assert [answer.status_code for answer in answers] == [200, 200]
    assert gate.accepted == before
