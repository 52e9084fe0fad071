"""Task ids and filters that are refused with 400."""

import pytest
from endpoints import OF_ONE_TASK, TASKS
from fastapi.testclient import TestClient
from texts import FILTER, TASK_ID, bad

pytestmark = pytest.mark.without_sql


@pytest.mark.parametrize(
    "task_id",
    [
        "0",
        "-1",
        "%2B1",
        "01",
        "1.0",
        "1e3",
        "1_000",
        "0x1",
        "%201",
        "1%20",
        "1%00",
        "%D9%A3",
        "%C2%B2",
        "%F0%9F%98%80",
        "one",
        "null",
        "true",
        "NaN",
        str(2**63),
        str(2**64 + 1),
        "9" * 5000,
    ],
    ids=lambda task_id: task_id[:24],
)
def test_an_id_is_a_positive_integer_of_63_bits(alice: TestClient, task_id: str) -> None:
    responses = [endpoint.call(alice, task_id=task_id) for endpoint in OF_ONE_TASK]

    answers = [(response.status_code, response.json()) for response in responses]
    assert answers == [bad(TASK_ID)] * len(OF_ONE_TASK)


@pytest.mark.parametrize("name", ["filter", "status", "completed"])
@pytest.mark.parametrize(
    "value", ["done", "ALL", "Pending", "completed%20", "all,pending", "null", "1", "%00"]
)
def test_another_filter_is_refused(alice: TestClient, name: str, value: str) -> None:
    response = alice.get(f"{TASKS}?{name}={value}")

    assert (response.status_code, response.json()) == bad(FILTER)


def test_a_bad_filter_is_refused_beside_a_good_status(alice: TestClient) -> None:
    response = alice.get(f"{TASKS}?status=all&filter=nonsense")

    assert (response.status_code, response.json()) == bad(FILTER)
