"""`Idempotency-Key`: a create that is sent again makes no second task."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
import pytest
from answers import refusal
from cluster import Database
from counting_proxy import CountingProxy, trips_of
from endpoints import JSON, ORIGIN, TASKS
from fastapi.testclient import TestClient
from fixtures import Overrides, RunService
from gate import Gate
from lists import Json
from sent_sql import owners_in
from sqlalchemy import Engine, StaticPool
from sqlmodel import Session, SQLModel, create_engine, select
from stored_tasks import DEFAULTS, FULL
from texts import TITLE_REQUIRED, bad
from users import OWNER, SOMEONE_ELSE, bearer
from waiting import eventually

import database as app_database
import main
from models import Task

KEY = "Idempotency-Key must be 1 to 255 visible ASCII characters"
REUSED = (
    422,
    {"error": "Idempotency-Key was used for another task", "code": "IDEMPOTENCY_KEY_REUSED"},
)
MILK = {"title": "Buy milk"}
REPLAYED = "Idempotent-Replayed"
ANSWER_SECONDS = 12


def create(
    client: httpx2.Client, key: str | bytes, body: Json = MILK, user: str = OWNER
) -> httpx2.Response:
    content = key.encode() if isinstance(key, str) else key
    headers = [
        (b"Idempotency-Key", content),
        *((name.encode(), value.encode()) for name, value in bearer(user).items()),
    ]
    path = f"/api/{quote(user, safe='')}/tasks"
    return client.post(path, json=body, headers=headers)


def id_of(answer: httpx2.Response) -> int:
    assert answer.status_code == 201, answer.text
    assert answer.json()["message"] == "Task created"
    task_id: int = answer.json()["data"]["id"]
    assert answer.headers["Location"].endswith(f"/tasks/{task_id}")
    return task_id


def is_replay(answer: httpx2.Response) -> bool:
    assert answer.headers.get(REPLAYED, "true") == "true"
    return REPLAYED in answer.headers


def ids(client: httpx2.Client, user: str = OWNER) -> list[int]:
    answer = client.get(f"/api/{user}/tasks", headers=bearer(user))
    return [task["id"] for task in answer.json()["data"]]


def test_the_same_request_again_is_answered_alike_and_makes_no_second_task(
    client: TestClient,
) -> None:
    first = create(client, "a-key")
    again = create(client, "a-key")

    assert (first.status_code, is_replay(first)) == (201, False)
    assert (again.status_code, is_replay(again)) == (201, True)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert ids(client) == [id_of(first)]


def test_the_answer_has_the_task_as_it_is_now(alice: TestClient) -> None:
    first = create(alice, "a-key")
    path = first.headers["Location"]
    alice.put(path, json={"title": "Buy bread", "tags": ["a"], "due_date": "2026-12-01"})
    alice.patch(f"{path}/complete")
    now = alice.get(path).json()["data"]

    again = create(alice, "a-key")

    assert (again.status_code, is_replay(again)) == (201, True)
    assert again.json() == {"data": now, "message": "Task created"}
    assert (now["title"], now["completed"]) == ("Buy bread", True)
    assert alice.get(path).json()["data"] == now


def test_a_create_that_1_1_0_answered_may_be_sent_again(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    """1.1.0 knew of fewer fields: those that are not sent must not count."""
    compared = '{"title":"Buy milk","tags":["a"]}'
    mark = f"{sha256(compared.encode()).hexdigest()} {'0' * 16}"
    task = stored("Buy milk", tags=["a"], idempotency_key="a-key", idempotency_mark=mark)

    again = create(alice, "a-key", {"tags": ["a"], "title": "Buy milk"})

    assert (again.status_code, is_replay(again), id_of(again)) == (201, True, task.id)


def test_without_a_key_each_request_makes_a_task(alice: TestClient) -> None:
    answers = [alice.post(TASKS, json=MILK) for _ in range(2)]

    assert len({id_of(answer) for answer in answers}) == 2
    assert [is_replay(answer) for answer in answers] == [False, False]


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (MILK, {"title": " Buy milk\n"}),
        (MILK, DEFAULTS | MILK),
        (MILK | {"due_date": "", "tags": None, "priority": "MEDIUM"}, MILK),
        (MILK, MILK | {"completed": True, "id": 7, "user_id": SOMEONE_ELSE, "foo": [1]}),
        (FULL, FULL | {"priority": "HIGH"}),
        (FULL, FULL | {"due_date": "2026-12-01T10:00+02:00"}),
        (FULL, FULL | {"due_date": "2026-12-01T08:00:00.999Z"}),
        (FULL, FULL | {"tags": [" a", "b ", "a"]}),
        (MILK | {"recurrence": None, "remind_at": ""}, MILK),
        (
            MILK | {"recurrence": {"pattern": "DAILY", "interval": None}},
            MILK | {"recurrence": {"pattern": "daily", "interval": 1, "end_date": None}},
        ),
        (FULL, FULL | {"remind_at": "2026-12-01T08:00:00.5+01:00"}),
        (FULL, dict(reversed(FULL.items()))),
    ],
)
def test_a_request_is_the_same_if_the_same_would_have_been_stored(
    client: TestClient, first: Json, again: Json
) -> None:
    answers = [create(client, "a-key", body) for body in (first, again)]

    assert [is_replay(answer) for answer in answers] == [False, True]
    assert id_of(answers[0]) == id_of(answers[1])
    assert len(ids(client)) == 1


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (MILK, {"title": "Buy Milk"}),
        (MILK, {"title": "Buy  milk"}),
        (MILK, MILK | {"description": ""}),
        *((MILK, MILK | {name: FULL[name]}) for name in FULL.keys() - MILK.keys()),
        (FULL, MILK),
        (FULL, FULL | {"due_date": "2026-12-01T08:00:00"}),
        (FULL, FULL | {"tags": ["b", "a"]}),
        (FULL, FULL | {"tags": ["a", "B"]}),
        (MILK | {"description": "x"}, MILK | {"tags": ["x"]}),
        (MILK, MILK | {"recurrence": {"pattern": "daily"}}),
        (FULL, FULL | {"recurrence": FULL["recurrence"] | {"interval": 3}}),
        (FULL, FULL | {"remind_at": "2026-12-01T07:00:01Z"}),
    ],
)
def test_the_key_of_another_task_is_refused_and_changes_nothing(
    client: TestClient, first: Json, again: Json
) -> None:
    created = create(client, "a-key", first)

    refused = create(client, "a-key", again)

    assert (refused.status_code, refused.json()) == REUSED
    assert "Location" not in refused.headers
    assert not is_replay(refused)
    listed = client.get(TASKS, headers=bearer()).json()["data"]
    assert listed == [created.json()["data"]]
    assert is_replay(create(client, "a-key", first))


def test_what_was_first_sent_counts_though_the_task_was_edited_since(alice: TestClient) -> None:
    path = create(alice, "a-key").headers["Location"]
    alice.put(path, json={"title": "Buy bread"})

    as_edited = create(alice, "a-key", {"title": "Buy bread"})
    as_sent = create(alice, "a-key")

    assert (as_edited.status_code, as_edited.json()) == REUSED
    assert is_replay(as_sent)


def test_a_key_belongs_to_its_user(client: TestClient) -> None:
    mine = create(client, "a-key")
    theirs = create(client, "a-key", {"title": "Rob a bank"}, SOMEONE_ELSE)
    theirs_again = create(client, "a-key", {"title": "Rob a bank"}, SOMEONE_ELSE)
    mine_again = create(client, "a-key")

    assert (is_replay(theirs), is_replay(theirs_again)) == (False, True)
    assert mine_again.json() == mine.json()
    assert ids(client) == [id_of(mine)]
    assert ids(client, SOMEONE_ELSE) == [id_of(theirs)]


@pytest.mark.parametrize("many", [False, True])
def test_a_key_is_free_again_when_its_task_is_deleted(alice: TestClient, *, many: bool) -> None:
    first = create(alice, "a-key")
    alice.delete(f"{TASKS}?filter=all" if many else first.headers["Location"])

    another = create(alice, "a-key", {"title": "Buy bread"})

    assert not is_replay(another)
    assert id_of(another) > id_of(first)


def test_different_keys_make_different_tasks(client: TestClient) -> None:
    keys = ["a", "A", "a'", "%61", "a-", '"', '"a', 'a"', "'a'", "\\a", "a,b"]

    answers = [create(client, key) for key in keys]

    assert [is_replay(answer) for answer in answers] == [False] * len(keys)
    assert len(ids(client)) == len(keys)


@pytest.mark.parametrize(
    ("key", "same"),
    [
        ("a", '"a"'),
        ("x" * 255, f'"{"x" * 255}"'),
        ('"', '"""'),
        ("!~", '"!~"'),
    ],
)
def test_one_pair_of_quotes_is_taken_off(client: TestClient, key: str, same: str) -> None:
    first = create(client, key)
    again = create(client, same)

    assert (is_replay(first), is_replay(again)) == (False, True)
    assert id_of(first) == id_of(again)


@pytest.mark.parametrize("around", [" {}", "{} ", "\t{}", "{}\t", " \t {} \t ", ' "{}"\t'])
def test_white_space_around_a_key_is_no_part_of_it(client: TestClient, around: str) -> None:
    first = create(client, "a-key")
    again = create(client, around.format("a-key"))

    assert (is_replay(first), is_replay(again)) == (False, True)
    assert id_of(again) == id_of(first)


def test_a_task_that_another_writer_gave_the_key_is_another_task(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    stored(title=MILK["title"], idempotency_key="a-key", idempotency_mark=None)

    answer = create(alice, "a-key")

    assert (answer.status_code, answer.json()) == REUSED


@pytest.mark.parametrize("key", ["x", "~", "!", '"', "x" * 255, "".join(map(chr, range(33, 127)))])
def test_a_key_has_1_to_255_visible_characters(client: TestClient, key: str) -> None:
    first = create(client, key)

    assert id_of(create(client, key)) == id_of(first)


@pytest.mark.without_sql
@pytest.mark.parametrize(
    "key",
    [
        "",
        '""',
        "x" * 256,
        f'"{"x" * 256}"',
        "a b",
        '"a b"',
        '" "',
        "a\tb",
        "a\x7f",
        "ü".encode(),
        "ü".encode("latin-1"),
        "😀".encode(),
        "a\xa0".encode("latin-1"),
    ],
    ids=repr,
)
def test_any_other_key_is_refused(
    client: TestClient, statements: list[str], key: str | bytes
) -> None:
    statements.clear()

    response = create(client, key)

    assert (response.status_code, response.json()) == bad(KEY)
    assert statements == []


@pytest.mark.parametrize("keys", [["a", "b"], ["a", "a"], ["a", ""], ["", "a"]])
def test_two_keys_are_refused(alice: TestClient, keys: list[str]) -> None:
    headers = [("Idempotency-Key", key) for key in keys]

    response = alice.post(TASKS, json=MILK, headers=headers)

    assert (response.status_code, response.json()) == bad(KEY)
    assert ids(alice) == []


def test_a_key_is_judged_after_the_caller_and_the_body(client: TestClient) -> None:
    unknown = client.post(TASKS, json=MILK, headers={"Idempotency-Key": ""})
    other = client.post(
        f"/api/{SOMEONE_ELSE}/tasks", json=MILK, headers={"Idempotency-Key": "", **bearer()}
    )
    large = client.post(
        TASKS, content=b" " * 70_000, headers={"Idempotency-Key": "", **JSON, **bearer()}
    )
    bad_body = create(client, "", {})
    create(client, "a-key")
    bad_again = create(client, "a-key", {})

    assert refusal(unknown) == (401, "UNAUTHORIZED")
    assert refusal(other) == (403, "FORBIDDEN")
    assert refusal(large) == (413, "PAYLOAD_TOO_LARGE")
    assert (bad_body.status_code, bad_body.json()) == bad(TITLE_REQUIRED)
    assert (bad_again.status_code, bad_again.json()) == bad(TITLE_REQUIRED)


def test_a_page_of_the_front_end_can_send_the_key_and_read_the_replay(client: TestClient) -> None:
    headers = {"Idempotency-Key": "a-key", "Origin": ORIGIN, **bearer()}
    preflight = client.options(
        TASKS,
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
        },
    )
    client.post(TASKS, json=MILK, headers=headers)

    again = client.post(TASKS, json=MILK, headers=headers)

    assert preflight.status_code == 200
    assert "idempotency-key" in preflight.headers["Access-Control-Allow-Headers"].lower()
    assert is_replay(again)
    assert REPLAYED in again.headers["Access-Control-Expose-Headers"].split(", ")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_other_requests_ignore_the_key(
    alice: TestClient, stored: Callable[..., Task], method: str
) -> None:
    task = stored()

    response = alice.request(
        method, f"{TASKS}/{task.id}", json={"title": "x"}, headers={"Idempotency-Key": ""}
    )

    assert response.status_code == 200
    assert not is_replay(response)


def test_a_key_in_a_location_of_an_odd_user_leads_to_the_task(client: TestClient) -> None:
    user = "a/b ü%"
    first, again = create(client, "a-key", user=user), create(client, "a-key", user=user)

    assert again.headers["Location"] == first.headers["Location"]
    fetched = client.get(again.headers["Location"], headers=bearer(user))
    assert fetched.json()["data"] == first.json()["data"]


def test_a_create_with_a_key_is_one_statement_that_is_scoped_to_the_tokens_user(
    alice: TestClient, statements: list[str]
) -> None:
    for body in (MILK, MILK, FULL):
        statements.clear()

        create(alice, "a-key", body)

        [sql] = statements
        assert owners_in(sql) == [repr(OWNER)]


def test_a_create_with_a_key_is_one_round_trip(
    proxy: CountingProxy, far_client: TestClient
) -> None:
    answers: list[httpx2.Response] = []
    key = uuid4().hex

    trips = [
        trips_of(proxy, partial(lambda body: answers.append(create(far_client, key, body)), body))
        for body in (MILK, MILK, FULL)
    ]

    assert trips == [1, 1, 1]
    assert [answer.status_code for answer in answers] == [201, 201, 422]


@pytest.mark.usefixtures("signed_in")
def test_a_tests_own_session_sees_one_task(overrides: Overrides) -> None:
    engine = create_engine(
        "sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool
    )
    SQLModel.metadata.create_all(engine)
    client = TestClient(main.app)
    with Session(engine) as session:
        overrides[app_database.get_db] = lambda: session

        first, again = create(client, "a-key"), create(client, "a-key")

        assert id_of(first) == id_of(again)
        assert [task.title for task in session.exec(select(Task))] == ["Buy milk"]
    engine.dispose()


# --- at once, in several processes, and over a bad line ---


def at_once(key: str, bodies: list[Json]) -> list[httpx2.Response]:
    """Send requests with one key to the app without waiting for an answer."""

    async def send() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=main.app),
            base_url="http://test",
            headers={"Idempotency-Key": key, **bearer()},
        ) as client:
            return await asyncio.gather(*(client.post(TASKS, json=body) for body in bodies))

    return asyncio.run(send())


def assert_one_made_it(answers: list[httpx2.Response]) -> int:
    [task_id] = {id_of(answer) for answer in answers}
    assert [is_replay(answer) for answer in answers].count(False) == 1
    return task_id


def test_of_fifty_requests_at_once_one_makes_the_task(alice: TestClient, engine: Engine) -> None:
    answers = at_once("a-key", [MILK] * 50)

    task_id = assert_one_made_it(answers)
    assert ids(alice) == [task_id]
    with Session(engine) as session:
        assert len(session.exec(select(Task)).all()) == 1


def test_of_two_tasks_at_once_with_one_key_one_is_refused(alice: TestClient) -> None:
    bread = {"title": "Buy bread"}

    answers = at_once("a-key", [MILK, bread] * 25)

    made = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert (len(made), len(refused)) == (25, 25)
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {
        (422, "IDEMPOTENCY_KEY_REUSED")
    }
    assert ids(alice) == [assert_one_made_it(made)]


def test_of_fifty_requests_to_two_workers_one_makes_the_task(
    url_of_two_workers: str, run_service: RunService, clients: ThreadPoolExecutor
) -> None:
    with run_service(workers=2, NEON_DATABASE_URL=url_of_two_workers) as service:
        client = service.wait_until_started().client

        answers = list(clients.map(lambda _: create(client, "a-key"), range(50)))

        assert ids(client) == [assert_one_made_it(answers)]


def test_a_request_whose_client_went_away_is_answered_when_it_is_sent_again(
    database: Database, run_service: RunService, clients: ThreadPoolExecutor
) -> None:
    with (
        run_service(NEON_DATABASE_URL=database.url()) as service,
        Gate(service.wait_until_started().port) as gate,
        httpx2.Client(base_url=f"http://127.0.0.1:{gate.port}", trust_env=False) as far,
    ):
        with database.locked("LOCK TABLE tasks"):
            lost = clients.submit(create, far, "a-key")
            database.wait_for_a_lock()
            gate.refuse()
            with pytest.raises(httpx2.TransportError):
                lost.result()
        eventually("the commit", lambda: database.titles() == ["Buy milk"], seconds=ANSWER_SECONDS)

        again = create(service.client, "a-key")

        assert is_replay(again)
        assert ids(service.client) == [id_of(again)]


def test_a_request_whose_commit_was_never_confirmed_is_answered_when_it_is_sent_again(
    database: Database, run_service: RunService, clients: ThreadPoolExecutor
) -> None:
    with (
        Gate(database.cluster.port) as gate,
        run_service(NEON_DATABASE_URL=database.url(port=gate.port)) as service,
    ):
        service.wait_until_started()
        with database.locked("LOCK TABLE tasks"):
            lost = clients.submit(create, service.client, "a-key")
            database.wait_for_a_lock()
            gate.silence()
        eventually("the commit", lambda: database.titles() == ["Buy milk"], seconds=ANSWER_SECONDS)
        assert refusal(lost.result()) == (503, "SERVICE_UNAVAILABLE")
        gate.open()

        def again() -> Any:
            answer = create(service.client, "a-key")
            return answer if answer.status_code == 201 else None

        answer = eventually("an answer", again, seconds=ANSWER_SECONDS)

        assert is_replay(answer)
        assert ids(service.client) == [id_of(answer)]
