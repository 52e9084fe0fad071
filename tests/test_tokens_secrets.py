"""What the shared secret may be, and that it may be several."""

import json

import pytest
from answers import NO_TASKS, assert_unauthorized
from endpoints import TASKS
from fastapi.testclient import TestClient
from fixtures import SetEnvironment
from shared_secret import (
    GOOD,
)
from signing import (
    base64url,
    hs256,
)
from users import OWNER, SECRET

INNER_SECRET = "the-key-inside-of-what-looks-like-a-jwk"
SECRETS = {
    "a JSON text": '"a-secret-in-quotes-of-32-characters"',
    "a JSON number": "12345678901234567890123456789012",
    "a JSON list": '["a-secret-in-brackets-of-32-characters"]',
    "a JSON object": '{"a":"secret-in-braces-of-32-characters"}',
    "a JWK": json.dumps({"kty": "oct", "alg": "HS256", "k": base64url(INNER_SECRET.encode())}),
    "a PEM": "-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEA\\n-----END PUBLIC KEY-----",
    "not ASCII": "ein-Geheimnis-mit-Größe-und-32-Bytes",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=list(SECRETS))
def test_a_secret_is_only_ever_a_text(
    client: TestClient, set_environment: SetEnvironment, secret: str
) -> None:
    set_environment(BETTER_AUTH_SECRET=secret)
    of_the_text = hs256({"sub": OWNER}, secret=secret)
    of_what_it_holds = [
        hs256({"sub": OWNER}, secret=inner)
        for inner in (INNER_SECRET, secret.strip('"'), "", base64url(INNER_SECRET.encode()))
        if inner != secret
    ]

    accepted = client.get(TASKS, headers={"Authorization": f"Bearer {of_the_text}"})
    refused = [
        client.get(TASKS, headers={"Authorization": f"Bearer {text}"}) for text in of_what_it_holds
    ]

    assert (accepted.status_code, accepted.json()) == (200, NO_TASKS)
    for response in refused:
        assert_unauthorized(response)


def status_with(client: TestClient, secret: str) -> int:
    """The status of the answer to a token that is signed with this secret."""
    text = hs256({"sub": OWNER}, secret=secret)
    return client.get(TASKS, headers={"Authorization": f"Bearer {text}"}).status_code


def test_tokens_of_each_secret_of_a_list_are_good(
    client: TestClient, set_environment: SetEnvironment
) -> None:
    set_environment(BETTER_AUTH_SECRETS="3:the-newest,2:the-newer,1:the-old:one")

    listed = [status_with(client, secret) for secret in ("the-newest", "the-newer", "the-old:one")]
    beside = status_with(client, SECRET)
    others = [
        status_with(client, secret)
        for secret in ("", "1", "3:the-newest", "the-old", "3:the-newest,2:the-newer,1:the-old:one")
    ]

    assert (listed, beside) == ([200] * 3, 200)
    assert others == [401] * 5


def test_a_list_of_secrets_needs_no_other(
    client: TestClient, set_environment: SetEnvironment
) -> None:
    set_environment(BETTER_AUTH_SECRETS="2:new,1:old", BETTER_AUTH_SECRET="")

    assert (status_with(client, "new"), status_with(client, "old")) == (200, 200)
    assert status_with(client, SECRET) == 401


def test_a_secret_of_white_space_beside_a_list_opens_nothing(
    client: TestClient, set_environment: SetEnvironment
) -> None:
    set_environment(BETTER_AUTH_SECRETS="2:new", BETTER_AUTH_SECRET="   ")

    assert (status_with(client, "new"), status_with(client, "   ")) == (200, 401)


def test_a_token_that_was_let_in_falls_with_its_secret(
    client: TestClient, set_environment: SetEnvironment
) -> None:
    set_environment(BETTER_AUTH_SECRETS="2:new,1:old")
    assert status_with(client, "old") == 200

    set_environment(BETTER_AUTH_SECRETS="2:new")

    assert (status_with(client, "new"), status_with(client, "old")) == (200, 401)


def test_a_token_of_a_secret_that_was_replaced_is_401(
    client: TestClient, set_environment: SetEnvironment
) -> None:
    headers = {"Authorization": f"Bearer {GOOD}"}
    assert client.get(TASKS, headers=headers).status_code == 200

    set_environment(BETTER_AUTH_SECRET="the-secret-that-came-after-the-first")
    response = client.get(TASKS, headers=headers)

    assert_unauthorized(response)


def test_without_a_secret_no_shared_secret_opens_anything(
    client: TestClient, set_environment: SetEnvironment
) -> None:
    set_environment(BETTER_AUTH_SECRET="")
    texts = [hs256({"sub": OWNER}, secret=secret) for secret in ("", "None", "null", SECRET)]

    responses = [client.get(TASKS, headers={"Authorization": f"Bearer {text}"}) for text in texts]

    for response in responses:
        assert_unauthorized(response)
