"""Forged tokens, as a flood brings them."""

from key_server import KeyServer
from signing import make_key
from users import OWNER


def crude_junk(server: KeyServer, number: int) -> str:
    forger = make_key(kid=f"junk-{number}", holder="forger")
    return forger.token({"sub": OWNER})


def skilled_junk(server: KeyServer, number: int) -> str:
    """All is right but the key, which nobody lists."""
    forger = make_key(kid=f"junk-{number}", holder="forger")
    return server.token(forger, f"user_{number}")


def badly_signed_junk(server: KeyServer, number: int) -> str:
    forger = make_key(kid=make_key().kid, holder="forger")
    return server.token(forger, f"user_{number}")
