"""Tokens signed with the shared secret (HS256): which are good, and which are not."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from time import time
from typing import Any
from urllib.parse import quote

import pytest
from answers import NO_TASKS, assert_unauthorized
from endpoints import TASKS
from fastapi.testclient import TestClient
from signing import (
    HMAC_DIGESTS,
    Part,
    base64url,
    better_auth_claims,
    hmac_signer,
    hs256,
    json_bytes,
    part,
)
from users import OWNER, SECRET, SOMEONE_ELSE, token_for

import jws
import main
import tokens

# What is asked here does not depend on the database.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

AN_HOUR = 3600


def token(payload: Part, header: Part | None = None, digest: str = "HS256") -> str:
    return hs256(payload, header, secret=SECRET, digest=digest)


def claim(name: str, json_text: str) -> str:
    """A token of OWNER with one more claim, written as this JSON."""
    return token(f'{{"sub":"{OWNER}","{name}":{json_text}}}'.encode())


def subject(json_text: str) -> str:
    return token(f'{{"sub":{json_text}}}'.encode())


def header(**parameters: Any) -> str:
    return token({"sub": OWNER}, parameters)


GOOD = token({"sub": OWNER})
GOOD_OF_SOMEONE_ELSE = token({"sub": SOMEONE_ELSE})
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_the_token_that_the_bad_ones_are_made_from_is_good(client: TestClient) -> None:
    response = client.get(TASKS, headers={"Authorization": f"Bearer {GOOD}"})

    assert (response.status_code, response.json()) == (200, NO_TASKS)


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


NOT_NUMBERS = {
    "null": "null",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "NaN": "NaN",
    "a number beyond any float": "1e400",
    "a number of 5,000 digits": "9" * 5000,
    "a number in a text": '"99999999999"',
    "a date in a text": '"2099-01-01T00:00:00Z"',
    "an empty text": '""',
    "true": "true",
    "false": "false",
    "a list": "[99999999999]",
    "an object": "{}",
    "a nest of lists": "[" * 1500 + "]" * 1500,
    "a nest of objects": '{"a":' * 800 + "1" + "}" * 800,
}

BAD_TOKENS = {
    # Segments
    "one segment": "token",
    "two segments": f"{HEADER}.{PAYLOAD}",
    "two segments and a dot": f"{HEADER}.{PAYLOAD}.",
    "four segments": f"{GOOD}.{SIGNATURE}",
    "five segments, as of an encrypted token": ".".join(
        [part({"alg": "dir", "enc": "A256CBC-HS512", "kid": "k"}), "", "aXY", PAYLOAD, SIGNATURE]
    ),
    "a dot before": f".{GOOD}",
    "a dot after": f"{GOOD}.",
    "dots alone": "..",
    "no header": f".{PAYLOAD}.{SIGNATURE}",
    "no payload": f"{HEADER}..{SIGNATURE}",
    "no payload, signed": token(b""),
    "commas for dots": GOOD.replace(".", ","),
    # Base64url (RFC 7515, section 2: no padding, no line breaks, no other characters)
    "padding after the header": f"{HEADER}=.{PAYLOAD}.{SIGNATURE}",
    "padding after the signature": f"{GOOD}=",
    "a header with padding, signed": ".".join(
        [
            padded := urlsafe_b64encode(b'{"alg":"HS256"}\n').decode(),
            PAYLOAD,
            base64url(hmac_signer(SECRET.encode())(f"{padded}.{PAYLOAD}".encode())),
        ]
    ),
    "a payload with padding, signed": ".".join(
        [
            HEADER,
            padded := urlsafe_b64encode(b'{"sub": "user_alice"}  ').decode(),
            base64url(hmac_signer(SECRET.encode())(f"{HEADER}.{padded}".encode())),
        ]
    ),
    "a signature in plain base64": (
        f"{HEADER}.{PAYLOAD}."
        f"{b64encode(hmac_signer(SECRET.encode())(f'{HEADER}.{PAYLOAD}'.encode())).decode()}"
    ),
    "junk after the signature": f"{GOOD}!!!!",
    "a star inside the signature": f"{GOOD[:-5]}*{GOOD[-5:]}",
    "a tilde inside the payload": f"{HEADER}.{PAYLOAD[:4]}~{PAYLOAD[4:]}.{SIGNATURE}",
    "a percent sign inside the header": f"{HEADER[:4]}%{HEADER[4:]}.{PAYLOAD}.{SIGNATURE}",
    "a character too many in the signature": f"{GOOD}A",
    "four characters too many in the signature": f"{GOOD}AAAA",
    "unused bits set in the signature": f"{GOOD[:-1]}{BASE64URL[BASE64URL.index(GOOD[-1]) + 1]}",
    "a header that is one base64 character": f"e.{PAYLOAD}.{SIGNATURE}",
    # Signatures
    "no signature": f"{HEADER}.{PAYLOAD}.",
    "a signature cut short": GOOD[:-4],
    "half a signature": f"{HEADER}.{PAYLOAD}.{SIGNATURE[:22]}",
    "a signature turned round": f"{HEADER}.{PAYLOAD}.{SIGNATURE[::-1]}",
    "a signature of zeros": f"{HEADER}.{PAYLOAD}.{base64url(bytes(32))}",
    "the signature of another token": f"{GOOD.rpartition('.')[0]}.{token({'sub': 'x'})[-43:]}",
    "the payload of another token": f"{HEADER}.{GOOD_OF_SOMEONE_ELSE.split('.')[1]}.{SIGNATURE}",
    "another header over the signature": f"{part({'alg': 'HS256'})}.{PAYLOAD}.{SIGNATURE}",
    "another secret": hs256({"sub": OWNER}, secret="another-secret-of-at-least-32-bytes"),
    "an empty secret": hs256({"sub": OWNER}, secret=""),
    "the secret and a line break": hs256({"sub": OWNER}, secret=f"{SECRET}\n"),
    "the first half of the secret": hs256({"sub": OWNER}, secret=SECRET[:16]),
    "the secret in upper case": hs256({"sub": OWNER}, secret=SECRET.upper()),
    "the secret in base64": hs256({"sub": OWNER}, secret=b64encode(SECRET.encode()).decode()),
    "an HMAC of SHA-512 under the name HS256": token({"sub": OWNER}, digest="HS512"),
    # Algorithms
    **{
        f"the algorithm {name!r}": header(alg=name)
        for name in (
            *("none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "HS1", "HS224", "HMAC"),
            *("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "ES256K", "EdDSA"),
            *("Ed25519", "dir", "A256KW", "A256GCMKW", "RSA-OAEP", "ECDH-ES", "PBES2-HS256+A128KW"),
            *(None, True, 256, ["HS256"], {"HS256": 1}, "A" * 1000),
        )
    },
    **{
        f"a true {name}": token({"sub": OWNER}, {"alg": name, "typ": "JWT"}, digest=name)
        for name in HMAC_DIGESTS
        if name != "HS256"
    },
    "no algorithm": header(typ="JWT"),
    "the algorithm none without a signature": (f"{part({'alg': 'none'})}.{part({'sub': OWNER})}."),
    # Headers (RFC 7515, section 4)
    "critical extensions, none named": header(alg="HS256", crit=[]),
    "critical extensions, a claim named": header(alg="HS256", crit=["exp"], exp=1),
    "critical extensions that are null": header(alg="HS256", crit=None),
    "critical extensions that are a text": header(alg="HS256", crit="b64"),
    "an unencoded payload": ".".join(
        [
            unencoded := part({"alg": "HS256", "b64": False, "crit": ["b64"]}),
            raw := f'{{"sub":"{OWNER}"}}',
            base64url(hmac_signer(SECRET.encode())(f"{unencoded}.{raw}".encode())),
        ]
    ),
    "a payload said to be unencoded": header(alg="HS256", b64=False, crit=["b64"]),
    **{
        f"the type {name!r}": header(alg="HS256", typ=name)
        for name in (
            *("better-auth.session-cache+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "JWE"),
            *("JOSE", "", "JWT ", "text/plain", None, True, 1, ["JWT"], {"JWT": 1}),
        )
    },
    "a header of 5,000 opening brackets": token({"sub": OWNER}, b"[" * 5000),
    "a header of 1,100 objects in each other": token({"sub": OWNER}, b'{"a":' * 1100),
    "a payload of 5,000 opening brackets": token(b"[" * 5000),
    "an empty header": token({"sub": OWNER}, b""),
    **{
        f"the header {text!r}": token({"sub": OWNER}, text)
        for text in (
            *(b"{}", b"[]", b"null", b"1", b'"HS256"', b'[["alg","HS256"]]', b"true", b"{"),
            *(b'{"alg":"HS256"}}', b'{"alg":"HS256"', b"{'alg':'HS256'}", b'{"alg":"HS256",}'),
            *(b'{"alg":"HS256"}junk', b'{"alg":"HS256","x":NaN}', b'{"alg":"HS256"}\x00'),
            *(b'\xff{"alg":"HS256"}', b'\xef\xbb\xbf{"alg":"HS256"}'),
        )
    },
    "a header in UTF-16": token({"sub": OWNER}, '{"alg":"HS256"}'.encode("utf-16-le")),
    # Payloads (RFC 7519, section 7.2)
    **{
        f"the payload {text!r}": token(text)
        for text in (
            *(b"{}", b"[]", b"null", b"1", b"NaN", b"true", b'"user_alice"', b'["user_alice"]'),
            *(b'{"sub":"user_alice"', b'{"sub":"user_alice"}}', b'{"sub":"user_alice"}junk'),
            *(b'{"sub":"user_alice","x":NaN}', b'{"sub":"user_alice","x":-Infinity}'),
            *(b'{"sub":"user_alice\xff"}', b'\xef\xbb\xbf{"sub":"user_alice"}', b"\xff\xfe\x00"),
            *(b'{"sub":"user_alice"}\x00', b'{"sub":"user_alice\n"}', b"user_alice"),
        )
    },
    "a payload in UTF-16": token(f'{{"sub":"{OWNER}"}}'.encode("utf-16")),
    # Times
    **{f"exp that is {name}": claim("exp", text) for name, text in NOT_NUMBERS.items()},
    **{f"nbf that is {name}": claim("nbf", text) for name, text in NOT_NUMBERS.items()},
    "iat that is a text": claim("iat", '"yesterday"'),
    "expired a minute ago": token({"sub": OWNER, "exp": int(time()) - 60}),
    "expired in 1970": token({"sub": OWNER, "exp": 0}),
    "expired before 1970": token({"sub": OWNER, "exp": -1}),
    "valid from tomorrow on": token({"sub": OWNER, "nbf": int(time()) + 24 * AN_HOUR}),
    "valid from the year 5138 on": token({"sub": OWNER, "nbf": 99_999_999_999}),
    # Subjects
    "no subject": token({"email": "alice@example.com", "exp": int(time()) + AN_HOUR}),
    **{
        f"the subject {text[:30]}": subject(text)
        for text in (
            *('""', "null", "1", "1.5", "true", "[]", '["user_alice"]', "{}"),
            *('{"id":"user_alice"}', r'"user\u0000alice"', r'"\u0000"', r'"\ud800"'),
            r'"user_\udfff"',
        )
    },
    "a subject of 256 characters": token({"sub": "u" * 256}),
    "a subject of 256 characters beyond the BMP": token({"sub": "\U0001f600" * 256}),
    "a subject of 5,000 characters": token({"sub": "u" * 5000}),
    # What Better Auth signs with the same secret for other ends
    "an e-mail verification link": token(
        {"email": "alice@example.com", "userId": OWNER, "iat": 1, "exp": int(time()) + AN_HOUR},
        {"alg": "HS256"},
    ),
    "a link that changes the e-mail address": token(
        {
            "email": "alice@example.com",
            "updateTo": "bob@example.com",
            "requestType": "change-email-verification",
            "exp": int(time()) + AN_HOUR,
        },
        {"alg": "HS256"},
    ),
    "a session-cache cookie": token(
        {
            "session": {"id": "s", "token": "t", "userId": OWNER},
            "user": {"id": OWNER, "email": "alice@example.com"},
            "updatedAt": 1795371051358,
            "version": "1",
            "iat": int(time()),
            "exp": int(time()) + AN_HOUR,
        },
        {"alg": "HS256"},
    ),
    "a compact session-cache cookie": base64url(
        json_bytes({"session": {"user": {"id": OWNER}}, "expiresAt": 1, "signature": SIGNATURE})
    ),
    "a signed session cookie": "q3DkdxZAE9nDzzlYNLp0aF8guanXUJpj.Gd9S9DWFP6TRJcCEm1r2zVtvnRbw%3D",
    "a user id under other names": token(
        {"user_id": OWNER, "uid": OWNER, "id": OWNER, "Sub": OWNER}
    ),
    # Tokens that are good only with a key of their holder (RFC 7800, section 3.1)
    **{
        f"confirmation of the holder by {text[:30]}": claim("cnf", text)
        for text in (
            *('{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}', '{"x5t#S256":"x"}'),
            *('{"jwk":{"kty":"OKP","crv":"Ed25519","x":"x"}}', '{"kid":"a"}', "{}", "null", '""'),
        )
    },
    # Size
    "more than 8 kB": token({"sub": OWNER, "padding": "x" * 8300}),
    "60 kB": token({"sub": OWNER, "padding": "x" * 45_000}),
}


@pytest.mark.parametrize("text", BAD_TOKENS.values(), ids=list(BAD_TOKENS))
def test_a_bad_token_is_401(client: TestClient, text: str) -> None:
    response = client.get(TASKS, headers={"Authorization": f"Bearer {text}"})

    assert_unauthorized(response)


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


def test_a_bad_token_is_401_every_time(client: TestClient) -> None:
    headers = {"Authorization": f"Bearer {token({'sub': OWNER, 'exp': int(time()) - 60})}"}

    responses = [client.get(TASKS, headers=headers) for _ in range(3)]

    for response in responses:
        assert_unauthorized(response)


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
    "the whole user": better_auth_claims("http://localhost:3000", OWNER),
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


@pytest.mark.parametrize(("name", "seconds_from_now"), [("exp", -32), ("nbf", 35)])
def test_past_the_leeway_a_time_is_refused(
    client: TestClient, name: str, seconds_from_now: int
) -> None:
    text = token({"sub": OWNER, name: int(time()) + seconds_from_now})

    response = client.get(TASKS, headers={"Authorization": f"Bearer {text}"})

    assert_unauthorized(response)


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


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_compared_without_regard_to_case(client: TestClient, scheme: str) -> None:
    response = client.get(TASKS, headers={"Authorization": f"{scheme} {GOOD}"})

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
    client: TestClient, set_environment: Callable[..., None], secret: str
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
    client: TestClient, set_environment: Callable[..., None]
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
    client: TestClient, set_environment: Callable[..., None]
) -> None:
    set_environment(BETTER_AUTH_SECRETS="2:new,1:old", BETTER_AUTH_SECRET="")

    assert (status_with(client, "new"), status_with(client, "old")) == (200, 200)
    assert status_with(client, SECRET) == 401


def test_a_secret_of_white_space_beside_a_list_opens_nothing(
    client: TestClient, set_environment: Callable[..., None]
) -> None:
    set_environment(BETTER_AUTH_SECRETS="2:new", BETTER_AUTH_SECRET="   ")

    assert (status_with(client, "new"), status_with(client, "   ")) == (200, 401)


def test_a_token_that_was_let_in_falls_with_its_secret(
    client: TestClient, set_environment: Callable[..., None]
) -> None:
    set_environment(BETTER_AUTH_SECRETS="2:new,1:old")
    assert status_with(client, "old") == 200

    set_environment(BETTER_AUTH_SECRETS="2:new")

    assert (status_with(client, "new"), status_with(client, "old")) == (200, 401)


def test_a_token_of_a_secret_that_was_replaced_is_401(
    client: TestClient, set_environment: Callable[..., None]
) -> None:
    headers = {"Authorization": f"Bearer {GOOD}"}
    assert client.get(TASKS, headers=headers).status_code == 200

    set_environment(BETTER_AUTH_SECRET="the-secret-that-came-after-the-first")
    response = client.get(TASKS, headers=headers)

    assert_unauthorized(response)


def test_without_a_secret_no_shared_secret_opens_anything(
    client: TestClient, set_environment: Callable[..., None]
) -> None:
    set_environment(BETTER_AUTH_SECRET="")
    texts = [hs256({"sub": OWNER}, secret=secret) for secret in ("", "None", "null", SECRET)]

    responses = [client.get(TASKS, headers={"Authorization": f"Bearer {text}"}) for text in texts]

    for response in responses:
        assert_unauthorized(response)


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


def test_only_so_many_tokens_are_remembered(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "VERIFIED_TOKENS_MAX", 2)
    parsed = []

    def parse(text: str) -> jws.UnverifiedToken:
        parsed.append(text)
        return taken_apart(text)

    taken_apart = jws.parse
    monkeypatch.setattr(tokens, "parse", parse)
    first, second, third = (token_for(OWNER, number=number) for number in range(3))

    for sent in (first, second, second, third, third, first):
        client.get(f"/api/{OWNER}/tasks", headers={"Authorization": f"Bearer {sent}"})

    assert parsed == [first, second, third, first]
