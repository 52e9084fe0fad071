import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from endpoints import ORIGIN
from processes import start_python
from service import START_SECONDS, Service
from sqlalchemy.engine import URL
from users import SECRET

import main
from settings import PLACEHOLDER_SECRET, Settings, StartupError, get_settings

ROOT = Path(main.__file__).parent
PASSWORD = "hunter2"
STOP_SECONDS = 10


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An environment that names no setting, and settings that are read anew."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    get_settings.cache_clear()
    yield monkeypatch
    get_settings.cache_clear()


# --- the database's URL ---


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


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_url_tasks_are_in_a_local_file(
    environment: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        environment.setenv("NEON_DATABASE_URL", value)

    url = get_settings().database

    assert (url.get_backend_name(), url.database) == ("sqlite", str(ROOT / "tasks.db"))


# --- origins ---


@pytest.mark.parametrize(
    ("settings", "origins"),
    [
        ({}, ["http://localhost:3000"]),
        ({"BETTER_AUTH_URL": "", "CORS_ORIGINS": ""}, ["http://localhost:3000"]),
        ({"BETTER_AUTH_URL": "https://app.example"}, ["https://app.example"]),
        ({"BETTER_AUTH_URL": "https://app.example/"}, ["https://app.example"]),
        ({"BETTER_AUTH_URL": "https://app.example/api/auth"}, ["https://app.example"]),
        ({"BETTER_AUTH_URL": "HTTPS://App.Example:443/x"}, ["https://app.example"]),
        ({"BETTER_AUTH_URL": "http://[::1]:3000"}, ["http://[::1]:3000"]),
        ({"CORS_ORIGINS": "https://a.example"}, ["https://a.example"]),
        (
            {"CORS_ORIGINS": " https://a.example , http://b.example:8080,"},
            ["https://a.example", "http://b.example:8080"],
        ),
        (
            {"BETTER_AUTH_URL": "https://app.example", "CORS_ORIGINS": "https://a.example/"},
            ["https://a.example"],
        ),
    ],
)
def test_the_front_ends_origin_is_allowed_or_those_of_the_list(
    environment: pytest.MonkeyPatch, settings: dict[str, str], origins: list[str]
) -> None:
    for name, value in settings.items():
        environment.setenv(name, value)

    allowed = get_settings().allowed_origins

    assert list(allowed) == origins


# --- what cannot be right ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NEON_DATABASE_URL", f"nonsense-{PASSWORD}"),
        ("NEON_DATABASE_URL", f"mysql://alice:{PASSWORD}@host/db"),
        ("NEON_DATABASE_URL", f"https://alice:{PASSWORD}@host/db"),
        ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@host:port/db"),
        ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@host:99999/db"),
        ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@/db"),
        ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@host/db?ssl-mode=require"),
        ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@host/db?sslmode=maybe"),
        ("NEON_DATABASE_URL", f"postgresql://alice:p@{PASSWORD}/w0rd@host/db"),
        ("NEON_DATABASE_URL", f"postgresql://alice:p@ss?{PASSWORD}=x@host/db"),
        ("NEON_DATABASE_URL", f"postgresql://alice:p@{PASSWORD}?word@host/db"),
        ("NEON_DATABASE_URL", "sqlite:////no/such/folder/tasks.db"),
        ("NEON_DATABASE_URL", "postgresql://"),
        ("BETTER_AUTH_URL", "localhost:3000"),
        ("BETTER_AUTH_URL", "ftp://app.example"),
        ("BETTER_AUTH_URL", "http://"),
        ("BETTER_AUTH_URL", "http://exa mple"),
        ("BETTER_AUTH_JWKS_URL", "http://host/a\x01b"),
        ("BETTER_AUTH_SECRET", "\udcff not UTF-8"),
        *(
            ("BETTER_AUTH_SECRETS", value)
            for value in (
                *(PASSWORD, f"2:{PASSWORD},{PASSWORD}", f"2:{PASSWORD},", f",2:{PASSWORD}", " "),
                *("2:", f"2: ,1:{PASSWORD}", f":{PASSWORD}", f"x2:{PASSWORD}", f"-1:{PASSWORD}"),
                *(f"2:{PASSWORD},2:old", f"2:{PASSWORD},02:old", f"0:{PASSWORD},-0:old"),
                *(f"2.5:{PASSWORD},2:old", f"\u0662:{PASSWORD}", f"2:{PASSWORD},1:\udcff"),
                *(f"2:{PASSWORD},1:{PLACEHOLDER_SECRET}", f"{PASSWORD}:x", f"12{PASSWORD}"),
                f"{'9' * 5000}:{PASSWORD}",
            )
        ),
        ("BETTER_AUTH_URL", "http://app.example:port"),
        ("BETTER_AUTH_JWKS_URL", "nonsense"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "app.example"),
        ("CORS_ORIGINS", "https://a.example;https://b.example"),
        ("CORS_ORIGINS", "https://a.example/path"),
        ("CORS_ORIGINS", "https://a.example,nonsense"),
    ],
)
def test_a_setting_that_cannot_be_right_ends_the_process_with_one_line_that_names_it(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    environment.setenv(name, value)

    with pytest.raises(SystemExit) as ended:
        get_settings()

    output = capsys.readouterr()
    assert ended.value.code not in {None, 0}
    assert output.out == ""
    [line] = output.err.splitlines()
    assert re.search(rf"\b{name}\b", line)
    assert PASSWORD not in line


def test_secrets_do_not_show_in_the_settings(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEON_DATABASE_URL", f"postgres://alice:{PASSWORD}@host/db")
    environment.setenv("BETTER_AUTH_SECRET", SECRET)
    environment.setenv("BETTER_AUTH_SECRETS", "2:the-new-secret,1:the-old-secret")

    shown = f"{get_settings()!r} {get_settings()}"

    for secret in (PASSWORD, SECRET, "the-new-secret", "the-old-secret"):
        assert secret not in shown


# --- secrets ---


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ("2:new,1:old", ["new", "old"]),
        ("1:old,2:new", ["old", "new"]),
        ("7:only", ["only"]),
        (" 2 : new ,\n 1 : old\n", ["new", "old"]),
        ("2:a:b=c;d", ["a:b=c;d"]),
        ("2:a b", ["a b"]),
        ("2:Größe", ["Größe"]),
        ("2:same,1:same", ["same", "same"]),
        # JavaScript's parseInt reads a number as far as it goes.
        ("+2:new,1st:old,0x2:older", ["new", "old", "older"]),
        ("-0:new", ["new"]),
        ("1_0:new,10:old", ["new", "old"]),
    ],
)
def test_a_list_of_secrets_is_read_as_better_auth_reads_it(
    environment: pytest.MonkeyPatch, value: str, secrets: list[str]
) -> None:
    environment.setenv("BETTER_AUTH_SECRETS", value)

    assert list(get_settings().shared_secrets) == secrets


def test_a_list_of_secrets_comes_before_the_one_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BETTER_AUTH_SECRETS", "2:new,1:old")
    environment.setenv("BETTER_AUTH_SECRET", SECRET)

    settings = get_settings()

    assert settings.shared_secrets == ("new", "old", SECRET)
    assert settings.required_secret() == "new"


@pytest.mark.parametrize("value", [None, "", "   "])
def test_a_list_of_secrets_stands_alone(environment: pytest.MonkeyPatch, value: str | None) -> None:
    environment.setenv("BETTER_AUTH_SECRETS", "2:new")
    if value is not None:
        environment.setenv("BETTER_AUTH_SECRET", value)

    settings = get_settings()

    assert settings.shared_secrets == ("new",)
    assert settings.required_secret() == "new"


def test_the_placeholder_is_refused_beside_a_list_of_secrets_too(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("BETTER_AUTH_SECRETS", "2:new")
    environment.setenv("BETTER_AUTH_SECRET", PLACEHOLDER_SECRET)

    with pytest.raises(StartupError, match="BETTER_AUTH_SECRET is still the placeholder"):
        get_settings().required_secret()


# --- a process ---

IMPORT_EVERYTHING = """
import importlib, pathlib
for path in sorted(pathlib.Path.cwd().glob("*.py")):
    importlib.import_module(path.stem)
import routes.tasks
"""


def test_importing_every_module_without_a_setting_neither_fails_nor_connects(
    app_folder: Path,
) -> None:
    before = sorted(app_folder.rglob("*"))

    python = start_python(app_folder, "-c", IMPORT_EVERYTHING)
    output, errors = python.communicate()

    assert (python.returncode, output, errors) == (0, "", "")
    assert sorted(app_folder.rglob("*")) == before


def test_importing_the_app_with_a_bad_setting_ends_with_one_line(app_folder: Path) -> None:
    url = f"mysql://alice:{PASSWORD}@host/db"

    python = start_python(app_folder, "-c", "import main", NEON_DATABASE_URL=url)
    output, errors = python.communicate()

    assert python.returncode != 0
    assert output == ""
    [line] = errors.splitlines()
    assert "NEON_DATABASE_URL" in line
    assert PASSWORD not in line


@pytest.mark.usefixtures("environment")
def test_a_server_is_told_in_one_line_why_it_cannot_start() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(StartupError):
        asyncio.run(main.app({"type": "lifespan", "app": main.app, "state": {}}, receive, send))

    [failure] = sent
    assert failure["type"] == "lifespan.startup.failed"
    [line] = failure["message"].splitlines()
    assert line.startswith("BETTER_AUTH_SECRET is not set")


@pytest.fixture
def serve(app_folder: Path, tmp_path: Path) -> Callable[..., Service]:
    """Runs the app of `app_folder` in the environment that its arguments name."""

    def serve(**environment: str) -> Service:
        return Service(app_folder, tmp_path / "log", environment)

    return serve


def refused(service: Service) -> str:
    """The line that tells why the server does not start."""
    with service:
        assert service.process.wait(timeout=START_SECONDS) != 0
    assert "Traceback" not in service.log()
    [line] = [line for line in service.log().splitlines() if "BETTER_AUTH_SECRET" in line]
    return line


@pytest.mark.parametrize("secret", [None, ""])
def test_the_server_does_not_start_without_a_secret(
    app_folder: Path, serve: Callable[..., Service], secret: str | None
) -> None:
    environment = {} if secret is None else {"BETTER_AUTH_SECRET": secret}

    line = refused(serve(**environment))

    assert "not set" in line
    assert list(app_folder.glob("*.db")) == []


def test_the_server_does_not_start_with_the_placeholder_of_the_example(
    app_folder: Path, serve: Callable[..., Service]
) -> None:
    example = (ROOT / ".env.example").read_text()
    [placeholder] = re.findall(r"^BETTER_AUTH_SECRET=(.+)$", example, re.MULTILINE)
    (app_folder / ".env").write_text(example)

    line = refused(serve())

    assert "placeholder" in line
    assert placeholder not in line


def test_the_example_has_a_line_for_every_setting() -> None:
    example = (ROOT / ".env.example").read_text()

    named = re.findall(r"^(?:# ?)?([A-Z_]+)=", example, re.MULTILINE)

    assert sorted(set(named)) == sorted(name.upper() for name in Settings.model_fields)
    assert re.search(r"^# ?NEON_DATABASE_URL=", example, re.MULTILINE)
    assert not re.search(r"^NEON_DATABASE_URL=", example, re.MULTILINE)


def test_the_first_run_needs_no_database_and_says_where_the_tasks_are(
    app_folder: Path, serve: Callable[..., Service]
) -> None:
    (app_folder / ".env").write_text(f"BETTER_AUTH_SECRET={SECRET}\nNEON_DATABASE_URL=\n")

    with serve() as service:
        client = service.wait_until_started().client
        health, ready = client.get("/health"), client.get("/ready")
        log = service.log()

    assert health.json() == {"status": "healthy"}
    assert ready.json() == {"status": "ready"}
    assert str(app_folder / "tasks.db") in log
    assert "WARNING" in log
    assert SECRET not in log
    assert (app_folder / "tasks.db").exists()


def test_the_start_names_the_database_and_never_its_password(
    serve: Callable[..., Service], postgresql_url: URL
) -> None:
    url = postgresql_url.set(password=PASSWORD) if not postgresql_url.password else postgresql_url
    rendered = url.render_as_string(hide_password=False)

    with serve(BETTER_AUTH_SECRET=SECRET, NEON_DATABASE_URL=rendered) as service:
        health = service.wait_until_started().client.get("/health")
        service.process.terminate()
        service.process.wait(timeout=STOP_SECONDS)
        log = service.log()

    assert health.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "PostgreSQL" in log
    assert str(url.password) not in log
    assert SECRET not in log


def test_the_environment_comes_before_the_file(app_folder: Path) -> None:
    (app_folder / ".env").write_text("CORS_ORIGINS=https://file.example\n")
    script = "import settings; print(*settings.get_settings().allowed_origins)"

    python = start_python(app_folder, "-c", script, CORS_ORIGINS="https://environment.example")
    output, errors = python.communicate()

    assert (output, errors) == ("https://environment.example\n", "")


ASK_AS_AN_ALLOWED_ORIGIN = """
from fastapi.testclient import TestClient
from main import app
for origin in ("https://a.example", "http://b.example:8080", "http://localhost:3000"):
    answer = TestClient(app).get("/health", headers={"Origin": origin})
    print(answer.headers.get("Access-Control-Allow-Origin"))
"""


def test_the_app_allows_the_origins_of_the_list(app_folder: Path) -> None:
    origins = "https://a.example, http://b.example:8080"

    python = start_python(app_folder, "-c", ASK_AS_AN_ALLOWED_ORIGIN, CORS_ORIGINS=origins)
    output, _ = python.communicate()

    assert output.split() == ["https://a.example", "http://b.example:8080", "None"]


def test_a_url_may_be_pasted_as_the_argument_of_psql(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEON_DATABASE_URL", "psql 'POSTGRESQL://alice:x@host/db?sslmode=require'")

    url = get_settings().database

    assert (url.drivername, url.host, url.query["sslmode"]) == (
        "postgresql+psycopg2",
        "host",
        "require",
    )


def test_a_secret_of_white_space_is_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BETTER_AUTH_SECRET", "   ")

    with pytest.raises(StartupError, match="BETTER_AUTH_SECRET is not set"):
        get_settings().required_secret()


def test_a_dotenv_that_is_not_utf_8_is_told_in_one_line(app_folder: Path) -> None:
    (app_folder / ".env").write_bytes("BETTER_AUTH_SECRET=x".encode("utf-16"))

    ended = start_python(app_folder, "-c", "import main")

    assert ended.communicate()[1] == "Configuration error: .env is not UTF-8\n"
    assert ended.returncode
