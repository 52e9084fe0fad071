"""Tokens of the shared secret that let their user in."""

from time import time
from typing import Any
from urllib.parse import quote

import pytest
from answers import NO_TASKS
from endpoints import TASKS
from fastapi.testclient import TestClient
from shared_secret import token
from signing import (
    Part,
    better_auth_claims,
)
from users import OWNER, SOMEONE_ELSE

AN_HOUR = 3600
GOOD_CLAIMS: dict[str, dict[str, Any]] = {
    "a subject alone": {},
    "an audience": {"aud": "http://localhost:3000"},
    "another's audience": {"aud": "https://elsewhere.example"},
    "several audiences": {"aud": ["a", "b"]},
    "an audience that is a number": {"aud": 1},
    "an audience that is null": {"aud": None},
    "an issuer": {"iss": "http://localhost:3000"},
    "an issuer that is null": {"iss": None},
    "an expiry in the year 5138": {"exp": 99_999_999_999},
    "a start in 1970": {"nbf": 0},
    "a start with a fraction": {"nbf": 60.5},
    "an e-mail address": {"email": "alice@example.com"},
    "an e-mail address that is null": {"email": None},
    "an e-mail address that is a number": {"email": 1},
    # Made when tests are collected, and used whenever a busy machine comes to it.
    "the whole user": better_auth_claims("http://localhost:3000", OWNER, exp=99_999_999_999),
    "7.5 kB of claims": {"padding": "x" * 5600},
}


@pytest.mark.parametrize("claims", GOOD_CLAIMS.values(), ids=list(GOOD_CLAIMS))
def test_a_token_of_the_shared_secret_opens_its_users_tasks_alone(
    client: TestClient, claims: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {token({'sub': OWNER, **claims})}"}

    own = client.get(TASKS, headers=headers)
    others = client.get(f"/api/{SOMEONE_ELSE}/tasks", headers=headers)

    assert (own.status_code, own.json()) == (200, NO_TASKS)
    assert others.status_code == 403


@pytest.mark.parametrize(
    ("name", "seconds_from_now"),
    [("exp", AN_HOUR), ("exp", 60.5), ("exp", -10), ("nbf", -AN_HOUR), ("nbf", 10), ("iat", 10)],
)
def test_times_are_judged_with_thirty_seconds_of_leeway(
    client: TestClient, name: str, seconds_from_now: float
) -> None:
    text = token({"sub": OWNER, name: int(time()) + seconds_from_now})

    response = client.get(TASKS, headers={"Authorization": f"Bearer {text}"})

    assert (response.status_code, response.json()) == (200, NO_TASKS)


GOOD_HEADERS: dict[str, Part] = {
    "no type": {"alg": "HS256"},
    "the type JWT": {"alg": "HS256", "typ": "JWT"},
    "the type of an access token": {"alg": "HS256", "typ": "at+jwt"},
    "a key id": {"alg": "HS256", "kid": "anything"},
    "a parameter that nobody knows": {"alg": "HS256", "x-unknown": [1, 2]},
    "JSON with spaces and line breaks": b'{\n  "typ": "JWT",\r\n\t"alg": "HS256"\n}',
    "JSON with escapes": rb'{"\u0061lg":"\u0048S256"}',
}


@pytest.mark.parametrize("parameters", GOOD_HEADERS.values(), ids=list(GOOD_HEADERS))
def test_a_header_that_names_the_algorithm_is_good(client: TestClient, parameters: Part) -> None:
    text = token({"sub": OWNER}, parameters)

    response = client.get(TASKS, headers={"Authorization": f"Bearer {text}"})

    assert (response.status_code, response.json()) == (200, NO_TASKS)


@pytest.mark.parametrize(
    "user_id",
    [
        "u",
        "u" * 255,
        "\U0001f600" * 255,
        "élodie",
        "a b",
        "a/b",
        "42",
        "null",
        "user@example.com",
    ],
)
def test_a_subject_is_any_text_of_1_to_255_characters(client: TestClient, user_id: str) -> None:
    text = token({"sub": user_id})

    response = client.get(
        f"/api/{quote(user_id, safe='')}/tasks", headers={"Authorization": f"Bearer {text}"}
    )

    assert (response.status_code, response.json()) == (200, NO_TASKS)
