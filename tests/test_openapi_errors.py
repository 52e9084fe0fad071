"""Errors: which ones an operation can give, and in which words."""

from endpoints import Endpoint, each_endpoint
from openapi_document import Document, operation_of, resolved

ERRORS = {
    "400": "VALIDATION_ERROR",
    "401": "UNAUTHORIZED",
    "403": "FORBIDDEN",
    "404": "NOT_FOUND",
    "413": "PAYLOAD_TOO_LARGE",
    "422": "IDEMPOTENCY_KEY_REUSED",
    "500": "SERVER_ERROR",
    "503": "SERVICE_UNAVAILABLE",
}
FAULTS = {
    "title": {"Title is required", "Title must be between 1 and 200 characters"},
    "description": {"Description must not exceed 1000 characters"},
    "completed": {"Completed must be true or false"},
    "priority": {"Priority must be low, medium or high"},
    "due_date": {
        "Due date must be a date (2026-12-01) or a time (2026-12-01T09:00 or 2026-12-01T09:00:00Z)"
    },
    "tags": {"Tags must be at most 10 texts of 1 to 50 characters"},
    "recurrence": {
        "Recurrence must have a pattern (daily, weekly, monthly or yearly), and may have an"
        " interval from 1 to 365 and an end_date (2026-12-01)"
    },
    "remind_at": {"Reminder must be a time with a zone (2026-12-01T08:00:00Z)"},
    "body": {"Body must be a JSON object"},
    "filter": {"Filter must be all, pending or completed"},
    "id": {"Task id must be a positive integer"},
    "key": {"Idempotency-Key must be 1 to 255 visible ASCII characters"},
}
FAULTS_OF_A_CHANGE = set[str]().union(*FAULTS.values()) - FAULTS["filter"] - FAULTS["key"]
# Empty for an operation in which nothing can be refused.
FAULTS_OF: dict[str, set[str]] = {
    "list_tasks": FAULTS["filter"],
    "create_task": FAULTS_OF_A_CHANGE - FAULTS["completed"] - FAULTS["id"] | FAULTS["key"],
    "get_task": FAULTS["id"],
    "update_task": FAULTS_OF_A_CHANGE,
    "patch_task": FAULTS_OF_A_CHANGE,
    "delete_task": FAULTS["id"],
    "toggle_task_completion": FAULTS["completed"] | FAULTS["body"] | FAULTS["id"],
    "get_task_stats": FAULTS["filter"],
    "complete_tasks": FAULTS["completed"] | FAULTS["body"] | FAULTS["filter"],
    "delete_tasks": FAULTS["filter"],
}


@each_endpoint
def test_an_operation_describes_its_success_and_each_error_that_it_can_give(
    document: Document, endpoint: Endpoint
) -> None:
    statuses = set(operation_of(document, endpoint)["responses"])

    errors = set(ERRORS)
    if not FAULTS_OF[endpoint.name]:
        errors -= {"400"}
    if "{task_id}" not in endpoint.path:
        errors -= {"404"}
    if endpoint.name != "create_task":
        errors -= {"422"}
    assert statuses == errors | {"201" if endpoint.method == "POST" else "200"}


@each_endpoint
def test_every_error_has_the_one_named_schema_and_a_true_example(
    document: Document, endpoint: Endpoint
) -> None:
    responses = operation_of(document, endpoint)["responses"]

    for status in responses.keys() & ERRORS.keys():
        content = responses[status]["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
        examples = [example["value"] for example in content["examples"].values()]
        assert examples == [
            {"error": example["error"], "code": ERRORS[status]} for example in examples
        ]


@each_endpoint
def test_the_example_of_a_bad_request_is_one_that_the_operation_can_give(
    document: Document, endpoint: Endpoint
) -> None:
    responses = operation_of(document, endpoint)["responses"]

    if FAULTS_OF[endpoint.name]:
        examples = responses["400"]["content"]["application/json"]["examples"].values()
        told = {example["value"]["error"] for example in examples}
        assert told
        assert told <= FAULTS_OF[endpoint.name]


def test_the_error_schema_is_what_is_sent(document: Document) -> None:
    schema = document["components"]["schemas"]["ErrorResponse"]

    assert schema["required"] == ["error", "code"]
    assert schema["properties"].keys() == {"error", "code"}
    fields = [resolved(document, field) for field in schema["properties"].values()]
    assert {field["type"] for field in fields} == {"string"}
