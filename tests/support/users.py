"""Alice, Bob, and the tokens that let them in."""

from typing import Any

from jose import jwt

SECRET = "a-secret-of-the-tests-with-32-bytes"
# The setting of the tests: the app that they assemble has /mcp.
MCP_URL = "http://localhost:8000/mcp"
# Of a role of the database; nothing may tell it.
PASSWORD = "hunter2"
OWNER = "user_alice"
SOMEONE_ELSE = "user_bob"


def token_for(user_id: str = OWNER, **claims: Any) -> str:
    return str(jwt.encode({"sub": user_id, **claims}, SECRET, algorithm="HS256"))


def bearer(user_id: str = OWNER, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_for(user_id, **claims)}"}
