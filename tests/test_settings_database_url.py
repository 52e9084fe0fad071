"""`NEON_DATABASE_URL` and `DATABASE_URL`: their forms, and which of the two counts."""

from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from processes import ROOT, start_python
from sqlalchemy.engine import URL
from users import PASSWORD

from database import describe, make_engine
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


TWO_HOSTS = {"host": "a,b", "port": "5432,5433"}


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("a:5432,b:5433/db", TWO_HOSTS),
        ("a:5432,b:5433/db?target_session_attrs=read-write&sslmode=require", TWO_HOSTS),
        ("a,b:5433/db", {"host": "a,b", "port": ",5433"}),
        ("a:5432,b/db", {"host": "a,b", "port": "5432,"}),
        ("a,b,c/db", {"host": "a,b,c", "port": ",,"}),
        ("[::1]:5432,[2001:db8::1],b:1/db", {"host": "::1,2001:db8::1,b", "port": "5432,,1"}),
        ("%2Frun%2Fpostgresql,b:5433/db", {"host": "/run/postgresql,b", "port": ",5433"}),
        # SQLAlchemy's own spellings.
        ("/db?host=a:5432&host=b:5433", TWO_HOSTS),
        ("/db?host=a:5432&host=b:5433&target_session_attrs=read-write", TWO_HOSTS),
        ("/db?host=a&host=b:5433", {"host": "a,b", "port": ",5433"}),
        ("/db?host=[::1]:5432&host=b", {"host": "::1,b", "port": "5432,"}),
        ("/db?host=/run/postgresql&host=b:5433", {"host": "/run/postgresql,b", "port": ",5433"}),
        ("/db?host=a,b&port=5432,5433", TWO_HOSTS),
    ],
)
@pytest.mark.parametrize(
    ("scheme", "user", "password"),
    [
        ("postgresql", "alice:p%40ss%2Fw%2Crd@", "p@ss/w,rd"),
        ("postgres", "alice:p,q/r:s@", "p,q/r:s"),
        ("postgresql+asyncpg", "alice@", None),
    ],
)
def test_several_hosts_are_those_that_libpq_reads(
    environment: pytest.MonkeyPatch,
    *,
    scheme: str,
    user: str,
    password: str | None,
    written: str,
    options: dict[str, str],
) -> None:
    environment.setenv("NEON_DATABASE_URL", f"{scheme}://{user}{written}")

    url = get_settings().database

    _, given = url.get_dialect()().create_connect_args(url)
    query = dict(parse_qsl(written.partition("?")[2]))
    expected = {"user": "alice", "password": password, "dbname": "db", **query, **options}
    assert {"password": None, **given} == expected


def test_the_start_names_several_hosts_and_no_password(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEON_DATABASE_URL", f"postgres://alice:{PASSWORD}@a:5432,[::1]:1/db")

    described = describe(make_engine(get_settings().database))

    assert described == "PostgreSQL, database db at a, ::1"


def test_a_pooled_host_and_a_port_are_kept(environment: pytest.MonkeyPatch) -> None:
    value = "postgres://alice:x@ep-x-pooler.aws.neon.tech:6543/db?sslmode=require"
    environment.setenv("NEON_DATABASE_URL", value)

    url = get_settings().database

    assert (url.host, url.port) == ("ep-x-pooler.aws.neon.tech", 6543)


@pytest.mark.parametrize(
    ("written", "password"),
    [("p%40ss%2Fw%25rd", "p@ss/w%rd"), ("%23%3F%3A", "#?:"), ("p,q/r", "p,q/r")],
)
def test_a_password_is_decoded(
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


NEON = "postgres://alice:x@neon.example/db"
HOST = "postgres://alice:x@host.example/db"


@pytest.mark.parametrize(
    ("values", "host", "setting"),
    [
        ({"DATABASE_URL": HOST}, "host.example", "DATABASE_URL"),
        ({"DATABASE_URL": HOST, "NEON_DATABASE_URL": ""}, "host.example", "DATABASE_URL"),
        ({"DATABASE_URL": HOST, "NEON_DATABASE_URL": NEON}, "neon.example", "NEON_DATABASE_URL"),
        ({"DATABASE_URL": "", "NEON_DATABASE_URL": NEON}, "neon.example", "NEON_DATABASE_URL"),
        # What a front end keeps there for Prisma, say.
        (
            {"DATABASE_URL": "mysql://x", "NEON_DATABASE_URL": NEON},
            "neon.example",
            "NEON_DATABASE_URL",
        ),
        ({}, None, "NEON_DATABASE_URL"),
    ],
)
def test_a_hosts_own_variable_counts_where_neons_is_not_set(
    environment: pytest.MonkeyPatch, values: dict[str, str], host: str | None, setting: str
) -> None:
    for name, value in values.items():
        environment.setenv(name, value)

    settings = get_settings()

    assert (settings.database.host, settings.database_setting) == (host, setting)


def test_a_url_of_neon_in_the_file_counts_before_a_hosts_variable(app_folder: Path) -> None:
    (app_folder / ".env").write_text(f"NEON_DATABASE_URL={NEON}\n")
    script = "import settings; print(settings.get_settings().database.host)"

    python = start_python(app_folder, "-c", script, DATABASE_URL="mysql://host/db")

    assert python.communicate() == ("neon.example\n", "")
