"""Tokens of the shared secret that let nobody in."""

from base64 import b64encode, urlsafe_b64encode
from time import time

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
    claim,
    header,
    subject,
    token,
)
from signing import (
    HMAC_DIGESTS,
    base64url,
    hmac_signer,
    hs256,
    json_bytes,
    part,
)
from users import OWNER, SECRET

AN_HOUR = 3600
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_the_token_that_the_bad_ones_are_made_from_is_good(client: TestClient) -> None:
    response = client.get(TASKS, headers={"Authorization": f"Bearer {GOOD}"})

    assert (response.status_code, response.json()) == (200, NO_TASKS)


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


@pytest.mark.parametrize(("name", "seconds_from_now"), [("exp", -32), ("nbf", 35)])
def test_past_the_leeway_a_time_is_refused(
    client: TestClient, name: str, seconds_from_now: int
) -> None:
    text = token({"sub": OWNER, name: int(time()) + seconds_from_now})

    response = client.get(TASKS, headers={"Authorization": f"Bearer {text}"})

    assert_unauthorized(response)
