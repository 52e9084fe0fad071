"""What the log says of a token of the shared secret."""

from time import time

import pytest
from answers import assert_unauthorized
from endpoints import TASKS
from fastapi.testclient import TestClient
from shared_secret import claim, header, token
from signing import (
    hs256,
)
from users import OWNER, SECRET

AN_HOUR = 3600
SESSION_TOKEN = "q3DkdxZAE9nDzzlYNLp0aF8guanXUJpj"
SENT_INSTEAD_OF_A_JWT = {
    "session.token": SESSION_TOKEN,
    "the cookie of the session": f"{SESSION_TOKEN}.Gd9S9DWFP6TRJcCEm1r2%2BzVtvnRbwQ%2Fk%3D",
    "the cookie of the session, decoded": f"{SESSION_TOKEN}.Gd9S9DWFP6TRJcCEm1r2+zVtvnRbwQ/k=",
    "undefined": "undefined",
}


@pytest.mark.parametrize("text", SENT_INSTEAD_OF_A_JWT.values(), ids=list(SENT_INSTEAD_OF_A_JWT))
def test_the_log_says_where_the_jwt_is_when_the_sessions_token_was_sent(
    client: TestClient, logged: list[str], text: str
) -> None:
    response = client.get(TASKS, headers={"Authorization": f"Bearer {text}"})

    assert_unauthorized(response)
    (line,) = logged
    assert "session.token" in line
    assert "authClient.token()" in line
    assert not [piece for piece in text.split(".") if piece in line]


REASONS = {
    "expired": token({"sub": OWNER, "exp": int(time()) - AN_HOUR}),
    "not valid yet": token({"sub": OWNER, "nbf": int(time()) + AN_HOUR}),
    "signature": hs256({"sub": OWNER}, secret="another-secret-of-at-least-32-bytes"),
    "subject": token({"email": "alice@example.com"}),
    "'none'": header(alg="none"),
    "'HS512'": header(alg="HS512"),
    "type": header(alg="HS256", typ="dpop+jwt"),
    "critical": header(alg="HS256", crit=["exp"]),
    "exp": claim("exp", "null"),
    "8 kB": token({"sub": OWNER, "padding": "x" * 8300}),
}


@pytest.mark.parametrize(("reason", "text"), REASONS.items(), ids=list(REASONS))
def test_the_log_names_the_reason_of_a_refusal_and_never_the_token(
    client: TestClient, logged: list[str], reason: str, text: str
) -> None:
    client.get(TASKS, headers={"Authorization": f"Bearer {text}"})

    (line,) = logged
    assert reason in line.lower() or reason in line
    assert not [piece for piece in text.split(".") if piece and piece in line]
    assert SECRET not in line
