"""Tokens signed with the shared secret (HS256), good and bad."""

from typing import Any

from signing import Part, hs256
from users import OWNER, SECRET, SOMEONE_ELSE


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
