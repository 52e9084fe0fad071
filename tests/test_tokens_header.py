"""One token comes with a request, in `Authorization: Bearer`."""

import json
from typing import Any

import pytest
from answers import NO_TASKS, assert_unauthorized
from endpoints import TASKS
from fastapi.testclient import TestClient
from shared_secret import (
    GOOD,
    GOOD_OF_SOMEONE_ELSE,
    HEADER,
    PAYLOAD,
    SIGNATURE,
)

import main

BAD_AUTHORIZATION = {
    "empty": "",
    "a scheme alone": "Bearer",
    "a scheme and a space": "Bearer ",
    "a token alone": GOOD,
    "another scheme": f"Basic {GOOD}",
    "the scheme JWT": f"JWT {GOOD}",
    "the scheme Token": f"Token {GOOD}",
    "a longer scheme": f"Bearers {GOOD}",
    "a shorter scheme": f"Beare {GOOD}",
    "a scheme in quotes": f'"Bearer" {GOOD}',
    "a scheme with a colon": f"Bearer: {GOOD}",
    "a scheme with a comma": f"Bearer, {GOOD}",
    "a scheme with an equals sign": f"Bearer={GOOD}",
    "no space after the scheme": f"Bearer{GOOD}",
    "a tab after the scheme": f"Bearer\t{GOOD}",
    "a space and a tab after the scheme": f"Bearer \t{GOOD}",
    "a tab before the scheme": f"\tBearer {GOOD}",
    "a vertical tab after the scheme": f"Bearer\v{GOOD}",
    "a no-break space after the scheme": f"Bearer\u00a0{GOOD}",
    "the token twice": f"Bearer {GOOD} {GOOD}",
    "the token twice with a comma": f"Bearer {GOOD},{GOOD}",
    "two credentials in one header": f"Bearer {GOOD}, Bearer {GOOD}",
    "text after the token": f"Bearer {GOOD} trailing",
    "a tab and text after the token": f"Bearer {GOOD}\ttrailing",
    "a parameter after the token": f"Bearer {GOOD};q=1",
    "a named token": f"Bearer token={GOOD}",
    "a token in quotes": f'Bearer "{GOOD}"',
    "a token in angle brackets": f"Bearer <{GOOD}>",
    "JavaScript's null": "Bearer null",
    "JavaScript's undefined": "Bearer undefined",
    "an object as text": "Bearer [object Object]",
    "a JSON object": 'Bearer {"token":"x"}',
    "not ASCII": "Bearer té.st.é",
    "not ASCII after the token": f"Bearer {GOOD}é",
    "Arabic digits after the token": f"Bearer {GOOD}\u0661",
    "a full-width scheme": f"\uff22earer {GOOD}",
    "a percent-encoded space": f"Bearer%20{GOOD}",
    "a space inside the token": f"Bearer {HEADER}. {PAYLOAD}.{SIGNATURE}",
    "60,000 characters": f"Bearer {'a' * 60_000}",
    "60,000 dots": f"Bearer {'.' * 60_000}",
}


@pytest.mark.parametrize("value", BAD_AUTHORIZATION.values(), ids=list(BAD_AUTHORIZATION))
def test_an_authorization_that_is_not_one_bearer_token_is_401(
    client: TestClient, value: str
) -> None:
    response = client.get(TASKS, headers=[(b"Authorization", value.encode())])

    assert_unauthorized(response)


def test_a_request_without_authorization_is_401(client: TestClient) -> None:
    response = client.get(TASKS)

    assert_unauthorized(response)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"Bearer {GOOD}", f"Bearer {GOOD}"),
        (f"Bearer {GOOD}", f"Bearer {GOOD_OF_SOMEONE_ELSE}"),
        (f"Bearer {GOOD_OF_SOMEONE_ELSE}", f"Bearer {GOOD}"),
        (f"Bearer {GOOD}", "Basic dXNlcjpwYXNz"),
        ("Basic dXNlcjpwYXNz", f"Bearer {GOOD}"),
        (f"Bearer {GOOD}", ""),
        ("", f"Bearer {GOOD}"),
    ],
)
def test_two_authorization_headers_are_401(client: TestClient, first: str, second: str) -> None:
    response = client.get(TASKS, headers=[("Authorization", first), ("Authorization", second)])

    assert_unauthorized(response)


def test_a_token_elsewhere_than_in_the_header_is_401(client: TestClient) -> None:
    client.cookies.set("better-auth.session_token", GOOD)
    client.cookies.set("Authorization", GOOD)

    response = client.get(
        TASKS,
        params={"token": GOOD, "access_token": GOOD},
        headers={"Proxy-Authorization": f"Bearer {GOOD}", "X-Authorization": f"Bearer {GOOD}"},
    )

    assert_unauthorized(response)


@pytest.mark.parametrize(
    "value",
    [b"\xff\xfe", b"Bearer \xff", b"Bearer " + GOOD.encode() + b"\xe9", b"\x80", b"Bearer \x00"],
)
def test_authorization_that_is_no_text_at_all_is_401(client: TestClient, value: bytes) -> None:
    sent: list[Any] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": TASKS,
        "raw_path": TASKS.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver"), (b"authorization", value)],
        "client": ("testclient", 50000),
        "server": ("testserver", 80),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    assert client.portal
    client.portal.call(main.app, scope, receive, send)

    body = b"".join(message.get("body", b"") for message in sent)
    assert sent[0]["status"] == 401
    assert (b"www-authenticate", b"Bearer") in sent[0]["headers"]
    assert json.loads(body)["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_compared_without_regard_to_case(client: TestClient, scheme: str) -> None:
    response = client.get(TASKS, headers={"Authorization": f"{scheme} {GOOD}"})

    assert (response.status_code, response.json()) == (200, NO_TASKS)
