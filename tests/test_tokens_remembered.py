"""A good token is verified once and remembered, a bad one is refused every time."""

from time import time

import pytest
from answers import assert_unauthorized
from endpoints import TASKS
from fastapi.testclient import TestClient
from fixtures import SetEnvironment
from shared_secret import token
from signing import hs256
from users import OWNER

from tokens import jws, verifier


def test_a_bad_token_is_401_every_time(client: TestClient) -> None:
    headers = {"Authorization": f"Bearer {token({'sub': OWNER, 'exp': int(time()) - 60})}"}

    responses = [client.get(TASKS, headers=headers) for _ in range(3)]

    for response in responses:
        assert_unauthorized(response)


def test_only_so_many_tokens_are_remembered(
    client: TestClient, set_environment: SetEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No token of this secret is remembered from another test.
    secret = "a-secret-of-this-test-with-32-bytes"
    set_environment(BETTER_AUTH_SECRET=secret)
    monkeypatch.setattr(verifier, "VERIFIED_TOKENS_MAX", 2)
    parsed = []

    def parse(text: str) -> jws.UnverifiedToken:
        parsed.append(text)
        return taken_apart(text)

    taken_apart = jws.parse
    monkeypatch.setattr(verifier, "parse", parse)
    first, second, third = (
        hs256({"sub": OWNER, "number": number}, secret=secret) for number in range(3)
    )

    for sent in (first, second, second, third, third, first):
        client.get(f"/api/{OWNER}/tasks", headers={"Authorization": f"Bearer {sent}"})

    assert parsed == [first, second, third, first]
