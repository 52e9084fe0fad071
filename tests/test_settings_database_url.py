"""`NEON_DATABASE_URL`: its forms."""

import pytest
from processes import ROOT
from sqlalchemy.engine import URL
from users import PASSWORD

from settings import get_settings


@pytest.mark.parametrize(
    ("value", "query"),
    [
        (f"postgres://alice:{PASSWORD}@ep-x.aws.neon.tech/db", {}),
        (f"postgresql://alice:{PASSWORD}@ep-x.aws.neon.tech/db", {}),
        (f"postgresql+psycopg2://alice:{PASSWORD}@ep-x.aws.neon.tech/db", {}),
        (f"postgresql+asyncpg://alice:{PASSWORD}@ep-x.aws.neon.tech/db", {}),
        (f"  postgresql://alice:{PASSWORD}@ep-x.aws.neon.tech/db\n", {}),
        (
            f"postgresql://alice:{PASSWORD}@ep-x.aws.neon.tech/db?sslmode=require",
            {"sslmode": "require"},
        ),
        (
            f"postgres://alice:{PASSWORD}@ep-x.aws.neon.tech/db"
            "?sslmode=require&channel_binding=require",
            {"sslmode": "require", "channel_binding": "require"},
        ),
        (
            f"postgresql://alice:{PASSWORD}@ep-x.aws.neon.tech/db"
            "?sslmode=verify-full&options=endpoint%3Dep-x",
            {"sslmode": "verify-full", "options": "endpoint=ep-x"},
        ),
    ],
)
def test_every_form_of_a_postgresql_url_reaches_the_same_database(
    environment: pytest.MonkeyPatch, value: str, query: dict[str, str]
) -> None:
    environment.setenv("NEON_DATABASE_URL", value)

    url = get_settings().database

    assert url == URL.create(
        "postgresql+psycopg2", "alice", PASSWORD, "ep-x.aws.neon.tech", None, "db", query
    )


def test_a_pooled_host_and_a_port_are_kept(environment: pytest.MonkeyPatch) -> None:
    value = "postgres://alice:x@ep-x-pooler.aws.neon.tech:6543/db?sslmode=require"
    environment.setenv("NEON_DATABASE_URL", value)

    url = get_settings().database

    assert (url.host, url.port) == ("ep-x-pooler.aws.neon.tech", 6543)


@pytest.mark.parametrize(
    ("written", "password"), [("p%40ss%2Fw%25rd", "p@ss/w%rd"), ("%23%3F%3A", "#?:")]
)
def test_an_encoded_password_is_decoded(
    environment: pytest.MonkeyPatch, written: str, password: str
) -> None:
    environment.setenv("NEON_DATABASE_URL", f"postgres://alice:{written}@host/db")

    url = get_settings().database

    assert url.password == password


@pytest.mark.parametrize(
    ("value", "path"), [("sqlite:///x.db", "x.db"), ("sqlite:////var/x.db", "/var/x.db")]
)
def test_a_sqlite_file_can_be_named(environment: pytest.MonkeyPatch, value: str, path: str) -> None:
    environment.setenv("NEON_DATABASE_URL", value)

    url = get_settings().database

    assert (url.get_backend_name(), url.database) == ("sqlite", path)


def test_a_url_may_be_pasted_as_the_argument_of_psql(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEON_DATABASE_URL", "psql 'POSTGRESQL://alice:x@host/db?sslmode=require'")

    url = get_settings().database

    assert (url.drivername, url.host, url.query["sslmode"]) == (
        "postgresql+psycopg2",
        "host",
        "require",
    )


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_url_tasks_are_in_a_local_file(
    environment: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        environment.setenv("NEON_DATABASE_URL", value)

    url = get_settings().database

    assert (url.get_backend_name(), url.database) == ("sqlite", str(ROOT / "tasks.db"))
