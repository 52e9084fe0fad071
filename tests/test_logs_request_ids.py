"""The id of a request, in its answer and in its lines of the log."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest
from answers import refusal
from log_lines import TITLE, create, lines_of
from service import Service
from users import OWNER, bearer


@pytest.mark.parametrize(
    "sane", ["1", "abc-DEF_123.~", "a" * 128, "0af7651916cd43dd8448eb211c80319c", "a/b+c=d:e@f"]
)
def test_a_sane_request_id_is_taken_and_sent_back(json_service: Service, sane: str) -> None:
    answer = json_service.client.get("/health", headers={"X-Request-ID": sane})

    assert answer.headers["X-Request-ID"] == sane


@pytest.mark.parametrize(
    "mad",
    [b"", b"a" * 129, b"two words", b'a"b', b"a\\b", b"<script>", b"a\tb", "é".encode(), b"\xff"],
)
def test_any_other_request_id_is_replaced(json_service: Service, mad: bytes) -> None:
    answer = json_service.client.get("/health", headers={b"X-Request-ID": mad})

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    (line,) = lines_of(json_service, answer.headers["X-Request-ID"])
    assert line["request_id"] == answer.headers["X-Request-ID"]


def test_a_request_without_an_id_gets_a_new_one_each_time(json_service: Service) -> None:
    ids = {json_service.client.get("/health").headers["X-Request-ID"] for _ in range(3)}

    assert len(ids) == 3


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, bearer()])
def test_a_page_may_read_the_request_id(json_service: Service, headers: dict[str, str]) -> None:
    answer = json_service.client.get(f"/api/{OWNER}/tasks", headers=headers)

    assert answer.headers["X-Request-ID"]
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


def test_every_line_of_a_request_has_its_id(json_service: Service) -> None:
    ids = [uuid4().hex for _ in range(50)]

    def fail(request_id: str) -> httpx2.Response:
        return create(json_service, request_id, title=TITLE, description="disconnect")

    with ThreadPoolExecutor(max_workers=10) as clients:
        answers = list(clients.map(fail, ids))

    assert {refusal(answer) for answer in answers} == {(503, "SERVICE_UNAVAILABLE")}
    loggers = Counter(
        (line["request_id"], line["logger"]) for one in ids for line in lines_of(json_service, one)
    )
    assert loggers == Counter(
        (one, name) for one in ids for name in ("tasks.errors", "tasks.requests")
    )
