"""Tables whose `user_id` compares without letter case, on Debian's PostgreSQL: the one that the
other tests run on has neither `citext` nor ICU.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import pytest
from fixtures import RunService
from ports import free_port
from service import Service

pytestmark = pytest.mark.integration

# The server does not run as root.
USER = "postgres" if os.getuid() == 0 else None
EXIT_SECONDS = 30
TABLE = """
    CREATE TABLE tasks (
        id BIGSERIAL PRIMARY KEY, user_id {type} NOT NULL, title VARCHAR(200) NOT NULL,
        description VARCHAR(1000), completed BOOLEAN NOT NULL,
        created_at TIMESTAMPTZ NOT NULL, updated_at TIMESTAMPTZ NOT NULL
    )
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    [*_, programs] = Path("/usr/lib/postgresql").glob("*/bin")
    with TemporaryDirectory() as folder:
        if USER:
            shutil.chown(folder, USER)
        data, port = f"{folder}/data", free_port()

        def run(program: str, *arguments: str) -> None:
            command = str(programs / program), f"--pgdata={data}", *arguments
            subprocess.run(command, user=USER, cwd=folder, stdout=subprocess.DEVNULL, check=True)

        run("initdb", "--username=postgres", "--encoding=UTF8", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p {port}"
        run("pg_ctl", "start", f"--options={options}", f"--log={folder}/log")
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        run("pg_ctl", "stop", "--mode=immediate")


@pytest.fixture
def run_sql(url: str) -> Callable[[str], None]:
    def run_sql(statement: str) -> None:
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    run_sql("DROP TABLE IF EXISTS tasks, alembic_version")
    return run_sql


def last_words(service: Service) -> str:
    """The one line of a service that could not start."""
    assert service.process.wait(timeout=EXIT_SECONDS) == 3
    assert "Traceback" not in service.log()
    return service.log().splitlines()[-2]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("CREATE EXTENSION citext", "citext"),
        (
            "CREATE COLLATION caseless"
            " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
            "VARCHAR(255) COLLATE caseless",
        ),
    ],
    ids=["citext", "collation"],
)
def test_the_start_refuses_the_table_until_it_is_mended_as_its_line_says(
    url: str, run_sql: Callable[[str], None], run_service: RunService, given: str, kind: str
) -> None:
    run_sql(given)
    run_sql(TABLE.format(type=kind))

    with run_service(NEON_DATABASE_URL=url) as service:
        wrong, _, cure = last_words(service).rpartition(": ")

    assert wrong.endswith(
        "tasks.user_id compares without letter case, so that users would share their tasks"
    )
    run_sql(cure)
    with run_service(NEON_DATABASE_URL=url) as service:
        service.wait_until_started()


@pytest.mark.parametrize("kind", ["TEXT", 'VARCHAR(255) COLLATE "C"', "UUID"])
def test_the_start_adopts_a_table_that_tells_users_apart(
    url: str, run_sql: Callable[[str], None], run_service: RunService, kind: str
) -> None:
    run_sql(TABLE.format(type=kind))

    with run_service(NEON_DATABASE_URL=url) as service:
        service.wait_until_started()
