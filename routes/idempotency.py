"""The header `Idempotency-Key` of a request that may be sent again."""

import re

from fastapi import Request

from errors import INVALID, ValidationFailed
from models import IDEMPOTENCY_KEY_MAX

VISIBLE_ASCII = re.compile(rf"[!-~]{{1,{IDEMPOTENCY_KEY_MAX}}}")
# Its place in the OpenAPI document.
PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the request safe to be sent again: the same key and task make no second"
    " task. A UUID, for example.",
    "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_MAX},
}


def idempotency_key_of(request: Request) -> str | None:
    sent = request.headers.getlist("idempotency-key")
    if not sent:
        return None
    key = sent[0].strip(" \t")
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(sent) > 1 or not VISIBLE_ASCII.fullmatch(key):
        raise ValidationFailed(INVALID["header", "idempotency-key"])
    return key
