"""Databases that are not UTF-8, and clients that are told not to be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import httpx2
import pytest
from answers import refusal
from cluster import Cluster, Database
from endpoints import ORIGIN
from fastapi.testclient import TestClient
from log_lines import kept_lines
from users import OWNER, bearer

import database as app_database
import main
from settings import database_url

MEMO = "\N{MEMO}"
TEXTS = ["Zoë", "牛乳", MEMO, f"Zoë {MEMO} e\N{COMBINING ACUTE ACCENT} \N{ZERO WIDTH JOINER}"]


@dataclass
class Deployment:
    client: TestClient
    database: Database
    errors: list[str]

    def call(self, method: str, path: str = "", body: object = None) -> httpx2.Response:
        return self.of(OWNER, method, path, body)

    def of(self, user: str, method: str, path: str = "", body: object = None) -> httpx2.Response:
        url = f"/api/{quote(user)}/tasks{path}"
        return self.client.request(method, url, json=body, headers=bearer(user))

    def titles(self) -> set[str]:
        return {task["title"] for task in self.call("GET").json()["data"]}


@contextmanager
def deployed(database: Database, options: str = "", **environment: str) -> Iterator[Deployment]:
    """The app of this process on the database, with what libpq reads in its environment."""
    with pytest.MonkeyPatch.context() as patch, kept_lines("tasks.errors") as errors:
        for name, value in environment.items():
            patch.setenv(name, value)
        engine = app_database.make_engine(database_url(database.url() + options))
        patch.setattr(app_database, "engine", engine)
        with TestClient(main.app, headers={"Origin": ORIGIN}) as client:
            yield Deployment(client, database, errors)
    assert not any("Crash" in line for line in errors)


@pytest.fixture(scope="module", params=["LATIN1", "EUC_JP"])
def database_of_few_characters(request: pytest.FixtureRequest, cluster: Cluster) -> Database:
    return Database(cluster, request.param)


@pytest.fixture(scope="module")
def database_of_bytes(cluster: Cluster) -> Database:
    return Database(cluster, "SQL_ASCII")


@pytest.fixture
def of_few_characters(database_of_few_characters: Database) -> Iterator[Deployment]:
    with deployed(database_of_few_characters) as deployment:
        yield deployment


@pytest.fixture
def of_bytes(database_of_bytes: Database) -> Iterator[Deployment]:
    with deployed(database_of_bytes) as deployment:
        yield deployment


# --- texts that can be stored ---


@pytest.mark.parametrize(
    ("encoding", "options", "environment"),
    [
        ("UTF8", "", {}),
        ("UTF8", "", {"PGCLIENTENCODING": "LATIN1"}),
        ("UTF8", "?client_encoding=latin1", {}),
        ("SQL_ASCII", "", {}),
        ("SQL_ASCII", "", {"PGCLIENTENCODING": "SQL_ASCII"}),
    ],
)
def test_every_text_is_given_back_as_it_was_sent(
    cluster: Cluster, encoding: str, options: str, environment: dict[str, str]
) -> None:
    with deployed(Database(cluster, encoding), options, **environment) as deployment:
        answers = [deployment.call("POST", body={"title": text}) for text in TEXTS]
        listed = deployment.titles()
        of_another = deployment.of(MEMO, "GET")

    assert [answer.status_code for answer in answers] == [201] * len(TEXTS)
    assert [answer.json()["data"]["title"] for answer in answers] == TEXTS
    assert listed == set(TEXTS)
    assert of_another.json()["data"] == []


def test_what_a_database_of_another_encoding_can_store_is_given_back_as_it_was_sent(
    of_few_characters: Deployment,
) -> None:
    text = {"LATIN1": "Zoë", "EUC_JP": "牛乳"}
    ((encoding,),) = of_few_characters.database.run("SHOW server_encoding")

    answer = of_few_characters.call("POST", body={"title": text[encoding]})

    assert answer.status_code == 201
    assert text[encoding] in of_few_characters.titles()


# --- texts that cannot ---


def assert_cannot_be_stored(answer: httpx2.Response) -> None:
    assert refusal(answer) == (400, "VALIDATION_ERROR")
    assert answer.json()["error"] == "The database cannot store this text"
    assert answer.headers["Access-Control-Allow-Origin"]


def test_a_text_that_the_database_cannot_store_is_refused(of_few_characters: Deployment) -> None:
    task = of_few_characters.call("POST", body={"title": "Buy groceries"}).json()["data"]

    assert_cannot_be_stored(of_few_characters.call("POST", body={"title": MEMO}))
    assert_cannot_be_stored(
        of_few_characters.call("POST", body={"title": "Buy", "description": MEMO})
    )
    assert_cannot_be_stored(of_few_characters.call("PUT", f"/{task['id']}", {"title": MEMO}))
    assert of_few_characters.call("GET", f"/{task['id']}").json()["data"] == task
    assert any("SQLSTATE 22P05" in line for line in of_few_characters.errors)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/1"), ("DELETE", "/1"), ("PATCH", "/1/complete")]
)
def test_a_user_whom_the_database_cannot_name_is_refused(
    of_few_characters: Deployment, method: str, path: str
) -> None:
    assert_cannot_be_stored(of_few_characters.of(MEMO, method, path))


def test_a_text_of_too_many_bytes_is_refused(of_bytes: Deployment) -> None:
    """Where an encoding is not known, PostgreSQL counts bytes."""
    fitting = of_bytes.call("POST", body={"title": 50 * MEMO})

    assert fitting.status_code == 201
    assert_cannot_be_stored(of_bytes.call("POST", body={"title": 51 * MEMO}))
    assert_cannot_be_stored(of_bytes.call("POST", body={"title": "Buy", "description": 501 * "é"}))


# --- the start ---


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_the_start_warns_of_a_database_that_cannot_store_every_text(
    cluster: Cluster, encoding: str
) -> None:
    with kept_lines("tasks.driver") as warnings, deployed(Database(cluster, encoding)):
        [warning] = warnings

    assert encoding in warning
    assert "UTF8" in warning


def test_the_start_does_not_warn_of_utf8(cluster: Cluster) -> None:
    with kept_lines("tasks.driver") as warnings, deployed(Database(cluster)):
        assert warnings == []
