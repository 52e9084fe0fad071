"""Spans and metrics, which quote nothing."""

from uuid import uuid4

from assistant import call
from cluster import Database
from collector import Collector
from endpoints import ENDPOINTS
from fixtures import RunService
from log_lines import DESCRIPTION, QUOTING_TRIGGER, TITLE, create
from users import MCP_URL, OWNER, SECRET, bearer, token_for

STOP_SECONDS = 60


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
        database.run(QUOTING_TRIGGER)
        for description in (DESCRIPTION, "raise", "check", "disconnect"):
            create(service, uuid4().hex, title=TITLE, description=description)
        service.client.post(
            f"/api/{OWNER}/tasks", json={"title": TITLE, "description": 1}, headers=bearer()
        )
        service.client.get("/ready")
        service.process.terminate()  # a stop sends what is left
        service.process.wait(timeout=STOP_SECONDS)

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
            MCP_URL=MCP_URL,
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
        client.headers.update(headers)
        for tool in ("add_task", "qu3ry"):
            call(client, tool, title=DESCRIPTION, due_date=token)
        service.process.terminate()  # a stop sends what is left
        service.process.wait(timeout=STOP_SECONDS)

    assert {"GET", "HTTP /api/{user_id}/tasks"} | {
        f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS
    } | {"POST /mcp"} <= collector.span_names()
    assert {"fastapi.dependencies", "fastapi.endpoint"} <= collector.span_names()
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
