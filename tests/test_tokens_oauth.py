"""OAuth tokens of Better Auth's provider open `/mcp` and nothing else; the API's open both."""

from collections.abc import Callable
from time import time
from typing import Any

import pytest
from answers import assert_unauthorized
from endpoints import TASKS
from fastapi.testclient import TestClient
from fixtures import SetEnvironment
from httpx2 import Response
from key_server import KeyServer
from signing import ABSENT, Algorithm, better_auth_claims, hs256, make_key
from users import MCP_URL, OWNER, SECRET, bearer

import main

AN_HOUR = 3600
KINDS: list[Algorithm] = ["EdDSA", "ES256", "ES512", "RS256"]

Send = Callable[[str], Response]


@pytest.fixture
def tools(client: TestClient) -> Send:
    """Asks for the list of tools with this token."""

    def ask(token: str) -> Response:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        return client.post("/mcp", json=body, headers={"Authorization": f"Bearer {token}"})

    return ask


@pytest.fixture
def api(client: TestClient) -> Send:
    """Asks for the tasks of OWNER with this token."""

    def ask(token: str) -> Response:
        return client.get(TASKS, headers={"Authorization": f"Bearer {token}"})

    return ask


def oauth(server: KeyServer, *, typ: Any = "JWT", **changes: Any) -> str:
    """A token as Better Auth's OAuth provider signs it."""
    now = int(time())
    claims = {
        "sub": OWNER,
        "aud": [MCP_URL, f"{server.origin}/api/auth/oauth2/userinfo"],
        "azp": "an-assistant",
        "scope": "openid",
        "sid": "a-session",
        "iss": f"{server.origin}/api/auth",
        "iat": now,
        "exp": now + AN_HOUR,
        **changes,
    }
    present = {name: value for name, value in claims.items() if value is not ABSENT}
    return make_key().token(present, typ=typ)


def assert_refused_with_metadata(response: Response) -> None:
    assert response.status_code == 401
    assert response.json()["code"] == "UNAUTHORIZED"
    assert response.headers["WWW-Authenticate"].startswith("Bearer resource_metadata=")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"typ": "at+jwt"},
        {"aud": MCP_URL},
        {"aud": [MCP_URL]},
        {"scope": ABSENT},
        {"nbf": 0},
    ],
)
def test_an_oauth_token_opens_the_tools_and_not_the_api(
    server: KeyServer, tools: Send, api: Send, changes: dict[str, Any]
) -> None:
    token = oauth(server, **changes)

    before, at_tools, after = api(token), tools(token), api(token)
    again = tools(token)

    assert_unauthorized(before)
    assert at_tools.status_code == 200
    assert_unauthorized(after)
    assert again.status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_any_listed_key_signs_oauth_tokens(server: KeyServer, tools: Send, kind: Algorithm) -> None:
    key = make_key(kind, kid=f"key-{kind}")
    server.keys = [key.jwk]
    now = int(time())
    claims = {"sub": OWNER, "aud": MCP_URL, "iss": f"{server.origin}/api/auth", "exp": now + 60}

    assert tools(key.token(claims, typ="at+jwt")).status_code == 200


def test_a_token_of_the_api_opens_both(server: KeyServer, tools: Send, api: Send) -> None:
    for token in (
        server.token(make_key(), OWNER),
        server.token(make_key(), OWNER, aud=[server.origin, MCP_URL]),
        hs256({"sub": OWNER}, secret=SECRET),
        hs256({"sub": OWNER, "iss": f"{server.origin}/api/auth", "aud": MCP_URL}, secret=SECRET),
    ):
        assert (tools(token).status_code, api(token).status_code) == (200, 200)


BAD: dict[str, dict[str, Any]] = {
    "no type": {"typ": ABSENT},
    "another type": {"typ": "logout+jwt"},
    "a type that is null": {"typ": None},
    "the origin as issuer": {"iss": "{origin}"},
    "another base path": {"iss": "{origin}/auth"},
    "a slash after the issuer": {"iss": "{origin}/api/auth/"},
    "another issuer": {"iss": "https://elsewhere.example/api/auth"},
    "a list of issuers": {"iss": ["{origin}/api/auth"]},
    "no issuer": {"iss": ABSENT},
    "no audience": {"aud": ABSENT},
    "an audience that is null": {"aud": None},
    "a null among the audiences": {"aud": [None]},
    "no audience in the list": {"aud": []},
    "another resource": {"aud": "http://localhost:8000/notes/mcp"},
    "the origin of the resource": {"aud": "http://localhost:8000"},
    "a slash after the resource": {"aud": f"{MCP_URL}/"},
    "what begins like the resource": {"aud": f"{MCP_URL}.example"},
    "the front end's origin as audience": {"aud": "{origin}"},
    "an object with the resource": {"aud": {MCP_URL: 1}},
    "a list in the list": {"aud": [[MCP_URL]]},
    "no expiry": {"exp": ABSENT},
    "an expiry an hour ago": {"exp": int(time()) - AN_HOUR},
    "a start tomorrow": {"nbf": int(time()) + 24 * AN_HOUR},
    "no subject": {"sub": ABSENT},
    "an empty subject": {"sub": ""},
    "a subject with NUL": {"sub": "user_alice\0"},
    "a confirmation of its holder": {"cnf": {"jkt": "x"}},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=list(BAD))
def test_any_other_oauth_token_is_401_at_both(
    server: KeyServer, tools: Send, api: Send, changes: dict[str, Any]
) -> None:
    def at(value: Any) -> Any:
        if isinstance(value, list):
            return [at(item) for item in value]
        return value.replace("{origin}", server.origin) if isinstance(value, str) else value

    token = oauth(server, **{name: at(value) for name, value in changes.items()})

    at_tools, at_api = tools(token), api(token)

    assert_refused_with_metadata(at_tools)
    assert_unauthorized(at_api)


def test_an_oauth_token_that_no_listed_key_signed_is_401(server: KeyServer, tools: Send) -> None:
    token = oauth(server)
    claims = better_auth_claims(server.origin, OWNER, iss=f"{server.origin}/api/auth", aud=MCP_URL)
    forged = make_key(kid="a-key", holder="forger").token(claims, typ="at+jwt")

    assert tools(token).status_code == 200
    for bad in (forged, token[:-8] + "AAAAAAAA", token.rpartition(".")[0] + "."):
        assert_refused_with_metadata(tools(bad))


def test_a_key_that_is_no_longer_listed_opens_nothing(server: KeyServer, tools: Send) -> None:
    token = oauth(server)
    assert tools(token).status_code == 200
    other = make_key(kid="another-key")
    server.keys = [other.jwk]
    assert tools(other.token(better_auth_claims(server.origin, OWNER))).status_code == 200

    response = tools(token)

    assert_refused_with_metadata(response)


def test_without_the_setting_an_oauth_token_opens_nothing(
    server: KeyServer, tools: Send, api: Send, set_environment: SetEnvironment
) -> None:
    for changes in ({}, {"aud": None}, {"aud": ABSENT}, {"aud": [None]}):
        token = oauth(server, **changes)
        set_environment(MCP_URL="")

        assert [ask(token).status_code for ask in (tools, api)] == [401, 401]


def test_a_token_for_another_resource_is_refused_when_the_setting_changes(
    server: KeyServer, tools: Send, set_environment: SetEnvironment
) -> None:
    token = oauth(server)
    assert tools(token).status_code == 200
    set_environment(MCP_URL="https://api.example.com/mcp")

    response = tools(token)

    assert_refused_with_metadata(response)


@pytest.mark.parametrize("root_path", ["/mcp", "/prefix/mcp"])
def test_a_prefix_that_looks_like_the_endpoint_lets_no_oauth_token_in(
    server: KeyServer, no_tasks: None, root_path: str
) -> None:
    headers = {"Authorization": f"Bearer {oauth(server)}"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with TestClient(main.app, root_path=root_path) as client:
        at_tools = client.post(f"{root_path}/mcp", json=ping, headers=headers)
        at_api = client.get(f"{root_path}{TASKS}", headers=headers)
        allowed = client.get(f"{root_path}{TASKS}", headers=bearer())

    assert (at_tools.status_code, at_api.status_code) == (200, 401)
    assert allowed.status_code == 200


def test_the_log_says_why_an_oauth_token_is_refused(
    server: KeyServer, tools: Send, api: Send, logged: list[str]
) -> None:
    api(oauth(server))
    tools(oauth(server, aud="https://elsewhere.example/mcp"))
    tools(oauth(server, typ=ABSENT))

    assert logged == [
        "Token refused: an OAuth token: it opens MCP_URL alone",
        f"Token refused: wrong audience: 'https://elsewhere.example/mcp', not '{MCP_URL}'",
        "Token refused: an OAuth token without a type",
    ]


def test_an_oauth_token_at_the_api_causes_no_fetch_of_keys(server: KeyServer, api: Send) -> None:
    api(oauth(server))

    assert server.fetches == 0
