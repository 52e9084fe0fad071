"""Forgeries made from what anybody can read: the listed keys, and tokens of one's own."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from answers import assert_unauthorized
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient
from fixtures import SetEnvironment
from httpx2 import Response
from key_server import KeyServer
from signing import (
    ABSENT,
    HMAC_DIGESTS,
    Algorithm,
    Part,
    SigningKey,
    base64url,
    better_auth_claims,
    hmac_signer,
    json_bytes,
    make_key,
    part,
    signed,
)
from users import OWNER, SOMEONE_ELSE

FRONT_END = "https://app.example"
KINDS: list[Algorithm] = ["EdDSA", "ES256", "ES512", "RS256"]
# The front end lists one key of each kind. The forger is SOMEONE_ELSE, has a token of their own of
# each key, and wants these claims signed:
FAR_AHEAD = 2**33
WANTED = better_auth_claims(FRONT_END, OWNER, exp=FAR_AHEAD)
KEYS = {kind: make_key(kind, kid=f"key-{kind}") for kind in KINDS}
OWN_TOKENS = {
    kind: key.token(better_auth_claims(FRONT_END, SOMEONE_ELSE, exp=FAR_AHEAD))
    for kind, key in KEYS.items()
}

Ask = Callable[[str], Response]


@pytest.fixture
def ask(client: TestClient, set_environment: SetEnvironment) -> Iterator[Ask]:
    """Asks the front end's service for the tasks of OWNER."""

    def ask(token: str) -> Response:
        return client.get(f"/api/{OWNER}/tasks", headers={"Authorization": f"Bearer {token}"})

    with KeyServer(*KEYS.values()) as server:
        set_environment(BETTER_AUTH_URL=FRONT_END, BETTER_AUTH_JWKS_URL=server.jwks_url)
        yield ask


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_forged_below_would_be_good_if_the_front_end_had_signed_it(
    ask: Ask, kind: Algorithm
) -> None:
    genuine = ask(KEYS[kind].token(WANTED))
    own = ask(OWN_TOKENS[kind])

    assert genuine.status_code == 200
    assert own.status_code == 403


# The public key as an HMAC secret


def pem(key: SigningKey, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key.public.public_bytes(Encoding.PEM, form)


def der(key: SigningKey, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key.public.public_bytes(Encoding.DER, form)


def raw(key: SigningKey) -> bytes:
    public = key.public
    if isinstance(public, rsa.RSAPublicKey):
        return public.public_numbers().n.to_bytes(public.key_size // 8)
    if key.algorithm == "EdDSA":
        return public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def ssh(key: SigningKey) -> bytes:
    return key.public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def pkcs1(key: SigningKey, encoding: Encoding) -> bytes:
    """RSA's own form; for other kinds, whose keys have none, the common one."""
    is_rsa = isinstance(key.public, rsa.RSAPublicKey)
    form = PublicFormat.PKCS1 if is_rsa else PublicFormat.SubjectPublicKeyInfo
    return key.public.public_bytes(encoding, form)


def certificate(key: SigningKey, encoding: Encoding) -> bytes:
    """A certificate of the listed key, issued by the forger."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "front end")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public)
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(make_key("EdDSA", holder="forger").private, None)
        .public_bytes(encoding)
    )


def required_members(key: SigningKey) -> dict[str, str]:
    """As for a JWK thumbprint (RFC 7638): these members alone, sorted."""
    return {name: key.jwk[name] for name in sorted(key.jwk) if name not in {"alg", "kid"}}


def coordinate(key: SigningKey) -> str:
    return str(key.jwk.get("x") or key.jwk["n"])


ENCODINGS: dict[str, Callable[[SigningKey], bytes]] = {
    "PEM": pem,
    "PEM without the last line break": lambda key: pem(key).strip(),
    "PEM with two last line breaks": lambda key: pem(key) + b"\n",
    "PEM with CR LF": lambda key: pem(key).replace(b"\n", b"\r\n"),
    "PEM in one line": lambda key: pem(key).replace(b"\n", b""),
    "PEM with escaped line breaks": lambda key: pem(key).replace(b"\n", b"\\n"),
    "PEM without its frame": lambda key: b"\n".join(pem(key).splitlines()[1:-1]),
    "PEM without its frame, in one line": lambda key: b"".join(pem(key).splitlines()[1:-1]),
    "PEM of PKCS #1": lambda key: pkcs1(key, Encoding.PEM),
    "DER": der,
    "DER in base64url": lambda key: base64url(der(key)).encode(),
    "DER of PKCS #1": lambda key: pkcs1(key, Encoding.DER),
    "raw": raw,
    "raw in hexadecimal": lambda key: raw(key).hex().encode(),
    "OpenSSH": ssh,
    "OpenSSH without its kind": lambda key: ssh(key).split()[1],
    "the coordinate in base64url": lambda key: coordinate(key).encode(),
    "JWK": lambda key: json_bytes(key.jwk),
    "JWK with spaces": lambda key: json.dumps(key.jwk).encode(),
    "JWK indented": lambda key: json.dumps(key.jwk, indent=2).encode(),
    "JWK sorted": lambda key: json.dumps(key.jwk, sort_keys=True).encode(),
    "JWK without its name": lambda key: json_bytes(
        {name: value for name, value in key.jwk.items() if name != "kid"}
    ),
    "JWK of the required members": lambda key: json_bytes(required_members(key)),
    "JWK as Python prints it": lambda key: str(key.jwk).encode(),
    "JWK thumbprint": lambda key: sha256(json_bytes(required_members(key))).digest(),
    "JWK thumbprint in base64url": lambda key: base64url(
        sha256(json_bytes(required_members(key))).digest()
    ).encode(),
    "JWKS": lambda key: json_bytes({"keys": [key.jwk]}),
    "JWKS with spaces": lambda key: json.dumps({"keys": [key.jwk]}).encode(),
    "a certificate": lambda key: certificate(key, Encoding.PEM),
    "a certificate in DER": lambda key: certificate(key, Encoding.DER),
    "the name of the key": lambda key: key.kid.encode(),
    "nothing": lambda key: key.kid[:0].encode(),
}
# RFC 2104 pads a secret with zeros: these are one secret and the same.
ENCODINGS["raw with a zero byte"] = lambda key: raw(key) + b"\0"


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=list(ENCODINGS))
def test_a_public_key_is_no_secret_in_whatever_encoding(
    ask: Ask, encoding: Callable[[SigningKey], bytes]
) -> None:
    forgeries = [
        signed(header, WANTED, hmac_signer(encoding(key), digest))
        for key in KEYS.values()
        for digest in HMAC_DIGESTS
        for header in (
            {"alg": digest, "typ": "JWT", "kid": key.kid},
            {"alg": digest},
            {"alg": key.algorithm, "kid": key.kid},
        )
    ]

    responses = [ask(forgery) for forgery in forgeries]

    for response in responses:
        assert_unauthorized(response)


# Everything else


def forgeries(kind: Algorithm) -> Iterator[tuple[str, str]]:
    """The name of each forgery, and the token."""
    key, own_token = KEYS[kind], OWN_TOKENS[kind]
    genuine_header = {"alg": kind, "kid": key.kid}
    own_header, _, own_signature = own_token.split(".")
    wanted = part(WANTED)
    # A key pair that the forger made, of the same kind and under the same name.
    forger = make_key(kind, kid=key.kid, holder="forger")

    def under(header: Part, signature: bytes) -> str:
        return signed(header, WANTED, lambda _: signature)

    yield "another payload", f"{own_header}.{wanted}.{own_signature}"
    yield "another payload and no signature", f"{own_header}.{wanted}."
    yield "another payload and no third part", f"{own_header}.{wanted}"
    yield "another payload and half a signature", f"{own_header}.{wanted}.{own_signature[:40]}"
    yield "an own token and the payload", f"{own_token}.{wanted}"
    yield "an own token and the payload as it is", f"{own_token}.{json_bytes(WANTED).decode()}"

    for spelling in ("none", "None", "NONE", "nOnE", "none ", " none", "", "no\0ne", "n\u043ene"):
        header = part({"alg": spelling, "kid": key.kid})
        yield f"{spelling!r} without a signature", f"{header}.{wanted}."
        yield f"{spelling!r} with an own signature", f"{header}.{wanted}.{own_signature}"
        yield f"{spelling!r} with junk", f"{header}.{wanted}.AAAA"
    yield "no algorithm", f"{part({'kid': key.kid})}.{wanted}."
    yield "the algorithm null", f"{part({'alg': None, 'kid': key.kid})}.{wanted}."
    yield "none before an own token", f"{part({'alg': 'none'})}.{wanted}.{own_token}"
    yield (
        "none around an own token",
        signed({"alg": "none", "cty": "JWT"}, own_token.encode(), bytes),
    )

    for size in (1, 32, 63, 64, 65, 96, 132, 256, 2048):
        yield f"{size} zero bytes", under(genuine_header, bytes(size))
        yield f"{size} bytes of ones", under(genuine_header, b"\xff" * size)
    yield "zeros in ASN.1", under(genuine_header, bytes.fromhex("3006020100020100"))
    yield "the neutral point, which signs for weak keys", under(genuine_header, b"\x01" + bytes(63))

    yield "another's key", forger.token(WANTED)
    yield "another's key without a name", forger.token(WANTED, kid=ABSENT)
    yield "another's key, embedded", forger.token(WANTED, jwk=forger.jwk)
    yield "another's key, embedded, unnamed", forger.token(WANTED, jwk=forger.jwk, kid=ABSENT)
    yield "another's key, embedded in a set", forger.token(WANTED, jwks={"keys": [forger.jwk]})
    yield "another's key in PEM", forger.token(WANTED, key=pem(forger).decode())
    yield (
        "another's key in a certificate",
        forger.token(
            WANTED,
            x5c=["".join(certificate(forger, Encoding.PEM).decode().splitlines()[1:-1])],
            x5t=base64url(sha256(certificate(forger, Encoding.DER)).digest()[:20]),
        ),
    )
    yield (
        "a secret, embedded",
        signed(
            {"alg": "HS256", "jwk": {"kty": "oct", "k": base64url(b"forger")}},
            WANTED,
            hmac_signer(b"forger"),
        ),
    )

    for other in KINDS:
        swapped = part({"alg": other, "kid": key.kid})
        yield f"an own signature as {other}", f"{swapped}.{wanted}.{own_signature}"
        forger_of_other = make_key(other, kid=f"key-{other}", holder="forger")
        yield f"another's {other} key", forger_of_other.token(WANTED)
        yield f"another's {other} key as {kind}", forger_of_other.token(WANTED, alg=kind)
        yield (
            f"another's {other} key under a name of {kind}",
            forger_of_other.token(WANTED, kid=key.kid),
        )
    for other_name in ("HS256", "HS512", "RS384", "RS512", "PS256", "ES384", "ES256K", "Ed25519"):
        yield f"another's key as {other_name}", forger.token(WANTED, alg=other_name)

    for path in ("../../../dev/null", "/dev/null", "file:///dev/null", "' OR '1'='1", "*", "%"):
        yield (
            f"no secret, under the name {path}",
            signed({"alg": "HS256", "kid": path}, WANTED, hmac_signer(b"")),
        )
        yield f"another's key under the name {path}", forger.token(WANTED, kid=path)

    yield (
        "the JSON serialization",
        json_bytes(
            {"protected": part({"alg": "none"}), "payload": wanted, "signature": own_signature}
        ).decode(),
    )


FORGERIES = {
    f"{kind}, {name}": token for kind in ("EdDSA", "RS256") for name, token in forgeries(kind)
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=list(FORGERIES))
def test_a_forgery_is_401(ask: Ask, forgery: str) -> None:
    response = ask(forgery)

    assert_unauthorized(response)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_signs_under_no_other_keys_name(ask: Ask, kind: Algorithm) -> None:
    others = [other for other in KINDS if other != kind]
    forgeries = [KEYS[kind].token(WANTED, kid=KEYS[other].kid) for other in others]
    renamed = [KEYS[kind].token(WANTED, kid=KEYS[other].kid, alg=other) for other in others]

    responses = [ask(forgery) for forgery in (*forgeries, *renamed)]

    for response in responses:
        assert_unauthorized(response)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["HS256", "RS384", "RS512", "PS256", "ES384", "Ed448", "EdDSA ", "eddsa", "rs256"]
)
def test_a_genuine_signature_under_another_algorithms_name_is_401(
    ask: Ask, name: str, kind: Algorithm
) -> None:
    response = ask(KEYS[kind].token(WANTED, alg=name))

    assert_unauthorized(response)


@pytest.mark.parametrize("kind", ["ES256", "ES512", "RS256"])
@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_only_an_ed25519_key_signs_under_a_name_of_ed25519(
    ask: Ask, name: str, kind: Algorithm
) -> None:
    response = ask(KEYS[kind].token(WANTED, alg=name))

    assert_unauthorized(response)


@pytest.mark.parametrize("kind", KINDS)
def test_a_verified_token_lends_its_goodness_to_nothing_like_it(ask: Ask, kind: Algorithm) -> None:
    good = KEYS[kind].token(WANTED)
    header, payload, signature = good.split(".")
    assert ask(good).status_code == 200
    alike = [
        f"{header}.{payload}.{OWN_TOKENS[kind].rpartition('.')[2]}",
        f"{header}.{OWN_TOKENS[kind].split('.')[1]}.{signature}",
        f"{part({'alg': 'none'})}.{payload}.{signature}",
        f"{good}A",
        f"{good}=",
        good[:-1],
        f"{good[:-2]}!{good[-2:]}",
    ]

    responses = [ask(token) for token in alike]

    for response in responses:
        assert_unauthorized(response)
