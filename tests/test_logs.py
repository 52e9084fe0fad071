"""What an operator sees of running processes: log lines and spans, and nothing that is secret."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from answers import refusal
from cluster import ROLE_WITH_PASSWORD, Cluster, Database
from collector import Collector
from endpoints import ENDPOINTS, Endpoint, each_endpoint
from fixtures import RunService
from key_server import KeyServer
from service import Service
from signing import make_key
from users import OWNER, SECRET, bearer, token_for
from waiting import eventually

# The words that tests put into requests, and look for in what the service tells.
TITLE = "Divorce lawyer on Tuesday"
DESCRIPTION = "Room 4711"
LINE_SECONDS = 2

# A table that quotes a new title in its refusal: as a plain error, as one that looks like a lost
# connection, and in the words of PostgreSQL itself. It can also end the connection.
QUOTING_TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.description = 'raise' THEN
        RAISE EXCEPTION 'refused: %', NEW.title USING DETAIL = NEW.title, HINT = NEW.title;
    ELSIF NEW.description = 'disconnect' THEN
        RAISE EXCEPTION 'refused: %', NEW.title USING ERRCODE = '57P01';
    ELSIF NEW.description = 'close' THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE tasks ADD CHECK (description <> 'check');
"""


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Database:
    return Database(cluster)


@pytest.fixture(scope="module")
def service(database: Database, run_service: RunService) -> Iterator[Service]:
    """A service that logs JSON, on a database whose errors quote the task."""
    with run_service(NEON_DATABASE_URL=database.url(), LOG_FORMAT="json") as service:
        service.wait_until_started()
        database.run(QUOTING_TRIGGER)
        yield service


@pytest.fixture(scope="module")
def text_service(run_service: RunService, database: Database) -> Iterator[Service]:
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        yield service.wait_until_started()


@pytest.fixture
def request_id() -> str:
    return uuid4().hex


def lines_of(service: Service, request_id: str) -> list[dict[str, Any]]:
    """The log's lines of a request, in JSON; the last one is the line that every request has."""

    def lines() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in service.log().splitlines() if request_id in line]
        return found if any("status" in line for line in found) else []

    return eventually("the line of the request", lines, seconds=LINE_SECONDS)


def create(service: Service, request_id: str, **body: str) -> httpx2.Response:
    return service.client.post(
        f"/api/{OWNER}/tasks", json=body, headers=bearer() | {"X-Request-ID": request_id}
    )


# One line for each request


@each_endpoint
def test_a_request_is_one_line_of_json(
    service: Service, request_id: str, endpoint: Endpoint
) -> None:
    answer = endpoint.call(service.client, headers=bearer() | {"X-Request-ID": request_id})

    (line,) = lines_of(service, request_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    milliseconds = line.pop("milliseconds")
    assert 0 < milliseconds < 10_000
    assert line == {
        "level": "INFO",
        "logger": "tasks.requests",
        "message": f"{endpoint.method} {endpoint.path.format_map(TEMPLATE)} "
        f"{answer.status_code} {milliseconds} ms",
        "request_id": request_id,
        "method": endpoint.method,
        "route": endpoint.path.format_map(TEMPLATE),
        "status": answer.status_code,
    }


TEMPLATE = {"user_id": "{user_id}", "task_id": "{task_id}"}


def test_a_request_is_one_line_of_text(text_service: Service, request_id: str) -> None:
    create(text_service, request_id, title="Buy groceries")

    (line,) = eventually(
        "the line of the request",
        lambda: [line for line in text_service.log().splitlines() if request_id in line],
        seconds=LINE_SECONDS,
    )
    assert re.fullmatch(
        r"\S+Z INFO tasks\.requests POST /api/\{user_id\}/tasks 201 \d+\.\d ms "
        rf"request_id={request_id}",
        line,
    )


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", f"/api/{OWNER}/tasks", "/api/{user_id}/tasks", 401),
        ("DELETE", "/health", "/health", 405),
        ("HEAD", "/ready", "/ready", 200),
        ("GET", "/no/such/path", "-", 404),
    ],
)
def test_a_refused_request_is_a_line_too(
    service: Service, request_id: str, method: str, path: str, route: str, status: int
) -> None:
    service.client.request(method, path, headers={"X-Request-ID": request_id})

    line = lines_of(service, request_id)[-1]
    assert (line["method"], line["route"], line["status"]) == (method, route, status)


def test_uvicorn_logs_no_line_of_its_own_for_a_request(
    service: Service, text_service: Service, request_id: str
) -> None:
    create(service, request_id, title="Buy groceries")
    create(text_service, request_id, title="Buy groceries")

    lines_of(service, request_id)
    for running in (service, text_service):
        assert "uvicorn.access" not in running.log()
        assert "HTTP/1.1" not in running.log()


# The request id


@pytest.mark.parametrize(
    "sane", ["1", "abc-DEF_123.~", "a" * 128, "0af7651916cd43dd8448eb211c80319c", "a/b+c=d:e@f"]
)
def test_a_sane_request_id_is_taken_and_sent_back(service: Service, sane: str) -> None:
    answer = service.client.get("/health", headers={"X-Request-ID": sane})

    assert answer.headers["X-Request-ID"] == sane


@pytest.mark.parametrize(
    "mad",
    [b"", b"a" * 129, b"two words", b'a"b', b"a\\b", b"<script>", b"a\tb", "é".encode(), b"\xff"],
)
def test_any_other_request_id_is_replaced(service: Service, mad: bytes) -> None:
    answer = service.client.get("/health", headers={b"X-Request-ID": mad})

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    (line,) = lines_of(service, answer.headers["X-Request-ID"])
    assert line["request_id"] == answer.headers["X-Request-ID"]


def test_a_request_without_an_id_gets_a_new_one_each_time(service: Service) -> None:
    ids = {service.client.get("/health").headers["X-Request-ID"] for _ in range(3)}

    assert len(ids) == 3


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, bearer()])
def test_a_page_may_read_the_request_id(service: Service, headers: dict[str, str]) -> None:
    answer = service.client.get(f"/api/{OWNER}/tasks", headers=headers)

    assert answer.headers["X-Request-ID"]
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


def test_every_line_of_a_request_has_its_id(service: Service) -> None:
    ids = [uuid4().hex for _ in range(50)]

    def fail(request_id: str) -> httpx2.Response:
        return create(service, request_id, title=TITLE, description="disconnect")

    with ThreadPoolExecutor(max_workers=10) as clients:
        answers = list(clients.map(fail, ids))

    assert {refusal(answer) for answer in answers} == {(503, "SERVICE_UNAVAILABLE")}
    loggers = Counter(
        (line["request_id"], line["logger"]) for one in ids for line in lines_of(service, one)
    )
    assert loggers == Counter(
        (one, name) for one in ids for name in ("tasks.errors", "tasks.requests")
    )


def test_the_log_tells_why_the_database_closed_a_connection_in_use(
    service: Service, request_id: str
) -> None:
    answer = create(service, request_id, title=TITLE, description="close")

    assert refusal(answer) == (503, "SERVICE_UNAVAILABLE")
    (cause, _) = lines_of(service, request_id)
    assert cause["level"] == "WARNING"
    assert cause["message"].endswith("terminating connection due to administrator command")
    assert TITLE not in service.log()


# Nothing secret


@pytest.mark.parametrize(
    ("description", "status"),
    [
        ("raise", (500, "SERVER_ERROR")),
        ("check", (500, "SERVER_ERROR")),
        ("disconnect", (503, "SERVICE_UNAVAILABLE")),
    ],
)
def test_no_title_is_told_though_the_error_of_the_database_quotes_it(
    service: Service, request_id: str, description: str, status: tuple[int, str]
) -> None:
    answer = create(service, request_id, title=TITLE, description=description)

    assert refusal(answer) == status
    assert TITLE not in answer.text
    (cause, line) = lines_of(service, request_id)
    assert line["status"] == answer.status_code
    assert cause["level"] in {"WARNING", "ERROR"}
    assert TITLE not in service.log()


def test_nothing_of_a_request_is_logged_but_method_route_and_id(
    service: Service, request_id: str
) -> None:
    token = token_for("user_of_this_test")
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": request_id}
    headers |= {"Cookie": "session=c00k1e", "User-Agent": "agent-007"}
    task = {"title": TITLE, "description": DESCRIPTION}

    for endpoint in ENDPOINTS:
        for user_id in ("user_of_this_test", "another_user"):
            content = json.dumps(task) if endpoint.body else None
            endpoint.call(
                service.client,
                user_id,
                headers=headers | {"Content-Type": "application/json"},
                content=content,
            )
    service.client.post("/api/x/tasks?filter=qu3ry", content=TITLE, headers=headers)
    service.client.get(f"/{DESCRIPTION}", headers=headers)
    service.client.get("/api/x/tasks", headers=headers | {"Authorization": f"Basic {token}"})
    service.client.get("/api/x/tasks", headers=headers | {"Authorization": f"Bearer {token}x"})

    eventually(
        "all lines", lambda: service.log().count(f'"{request_id}"') >= 16, seconds=LINE_SECONDS
    )
    _, claims, signature = token.split(".")
    words = [TITLE, DESCRIPTION, SECRET, "user_of_this_test", "another_user"]
    words += [claims, signature, "c00k1e", "agent-007", "qu3ry"]
    assert [word for word in words if word in service.log()] == []


@pytest.mark.parametrize(
    "login",
    [
        f"{ROLE_WITH_PASSWORD}:s3cr3t-w0rd@{{server}}?",
        f"{ROLE_WITH_PASSWORD}@{{server}}?password=s3cr3t-w0rd&",
        # The password holds an @ that ought to be written %40.
        f"{ROLE_WITH_PASSWORD}:first@s3cr3t-w0rd@{{server}}?",
    ],
    ids=["in its place", "as an option", "not encoded"],
)
def test_a_wrong_password_is_not_logged(
    database: Database, run_service: RunService, login: str
) -> None:
    server = f"127.0.0.1:{database.cluster.port}/{database.name}"

    with run_service(NEON_DATABASE_URL=f"postgresql://{login.format(server=server)}") as service:
        eventually(
            "a word about it",
            lambda: re.search("cannot be used|Configuration error", service.log()),
            seconds=20,
        )

    assert "s3cr3t" not in service.log()
    assert SECRET not in service.log()
    assert "Traceback" not in service.log()


def has_no_status_line(server: KeyServer, handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"x" * 50_000 + b"\r\n\r\n")
    handler.close_connection = True


def test_a_key_server_cannot_write_lines_into_the_log(
    run_service: RunService, tmp_path: Path
) -> None:
    forged = f"x\n2001-01-01T00:00:00.000Z INFO tasks.requests forged\r\x1b[2K\u2028{'x' * 3000}"
    names = ("alg", "kty", "crv", "use", "kid", "x")

    with (
        KeyServer() as server,
        run_service(
            NEON_DATABASE_URL=f"sqlite:///{tmp_path / 'tasks.db'}", BETTER_AUTH_URL=server.origin
        ) as service,
    ):
        service.wait_until_started()
        for number, (name, value) in enumerate(product(names, (forged, [forged]))):
            good = make_key(kid=f"key-{number}")
            server.keys = [{**make_key().jwk, name: value}, good.jwk]
            headers = {"Authorization": f"Bearer {server.token(good, OWNER)}"}
            service.client.get(f"/api/{OWNER}/tasks", headers=headers)
        server.mood = has_no_status_line
        service.client.get(
            f"/api/{OWNER}/tasks",
            headers={"Authorization": f"Bearer {server.token(make_key(kid=forged), OWNER)}"},
        )
        log = service.log()

    assert log.count("Cannot use 1 of the 2 keys of the key server") == 10  # all but the two kid
    assert "illegal status line" in log
    assert not [line for line in log.splitlines() if line.startswith("2001-01-01T00:00:00.000Z")]
    assert not set("\r\x1b\u2028") & set(log)
    assert max(map(len, log.splitlines())) < 500


def test_keys_that_cannot_be_used_are_one_line_for_each_fetch(
    run_service: RunService, tmp_path: Path
) -> None:
    with (
        KeyServer(make_key()) as server,
        run_service(
            NEON_DATABASE_URL=f"sqlite:///{tmp_path / 'tasks.db'}", BETTER_AUTH_URL=server.origin
        ) as service,
    ):
        service.wait_until_started()
        server.keys += [{"kid": "x", "kty": "none"}, None] * 5000
        headers = {"Authorization": f"Bearer {server.token(make_key(), OWNER)}"}
        status = service.client.get(f"/api/{OWNER}/tasks", headers=headers).status_code
        log = service.log()

    assert status == 200
    [line] = [line for line in log.splitlines() if "tasks.keys" in line]
    assert "Cannot use 10000 of the 10001 keys of the key server" in line


# Spans


def test_spans_name_the_route_and_quote_nothing(
    database: Database, run_service: RunService
) -> None:
    with (
        Collector() as collector,
        run_service(
            NEON_DATABASE_URL=database.url(),
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        ) as service,
    ):
        service.wait_until_started()
        for description in (DESCRIPTION, "raise", "check", "disconnect"):
            create(service, uuid4().hex, title=TITLE, description=description)
        service.client.post(
            f"/api/{OWNER}/tasks", json={"title": TITLE, "description": 1}, headers=bearer()
        )
        service.client.get("/ready")
        service.process.terminate()  # a stop sends what is left
        service.process.wait(timeout=10)

    assert {"POST /api/{user_id}/tasks", "GET /ready"} <= collector.span_names()
    assert {path for path, _ in collector.bodies} == {"/v1/traces", "/v1/metrics"}
    told = b"".join(body for _, body in collector.bodies)
    quotes = [TITLE, DESCRIPTION, "refused", "Failing row", "INSERT INTO", SECRET, token_for()]
    assert [quote for quote in quotes if quote.encode() in told] == []
    assert TITLE not in service.log()


def test_no_span_and_no_metric_tells_whose_tasks_were_asked_for_or_how(
    database: Database, run_service: RunService
) -> None:
    user_id, token = "user_of_this_test", token_for("user_of_this_test")
    headers = {"Authorization": f"Bearer {token}"}

    with (
        Collector() as collector,
        run_service(
            NEON_DATABASE_URL=database.url(),
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        ) as service,
    ):
        client = service.wait_until_started().client
        for endpoint in ENDPOINTS:
            query = {"filter": "all", "search": "qu3ry", "access_token": token}
            endpoint.call(client, user_id, headers=headers, params=query)
            endpoint.call(client, user_id, headers=headers, task_id=0)
            endpoint.call(client, user_id)
        client.get(f"/api/{user_id}/nothing?{DESCRIPTION}&{token}", headers=headers)
        client.request("PURGE", f"/api/{user_id}/tasks", headers=headers)
        client.post(f"/api/{user_id}/tasks", content="{", headers=headers)
        service.process.terminate()  # a stop sends what is left
        service.process.wait(timeout=10)

    assert {"GET", "HTTP /api/{user_id}/tasks"} | {
        f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS
    } <= collector.span_names()
    urls = {
        (attribute.key, attribute.value.string_value)
        for span in collector.spans()
        for attribute in span.attributes
        if attribute.key.startswith("url.") and attribute.key != "url.scheme"
    }
    assert urls == {("url.path", "REDACTED"), ("url.query", "REDACTED")}
    assert "http.server.request.duration" in collector.metric_names()
    told = b"".join(body for _, body in collector.bodies)
    _, claims, signature = token.split(".")
    quotes = [user_id, "qu3ry", DESCRIPTION.split()[1], SECRET, claims, signature]
    assert [quote for quote in quotes if quote.encode() in told] == []


def test_without_an_endpoint_no_telemetry_is_loaded(
    database: Database, run_service: RunService
) -> None:
    with run_service(NEON_DATABASE_URL=database.url(), PYTHONPROFILEIMPORTTIME="1") as service:
        service.wait_until_started()
        service.client.get("/ready")

    assert "| fastapi" in service.log()
    assert "opentelemetry.sdk" not in service.log()
    assert "opentelemetry.exporter" not in service.log()
