"""Parse a JSON body, and leave its validation until the caller is authenticated."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

NOT_JSON = "not JSON"
INT64_DIGITS = 19


class JSONBodyRequest(Request):
    """Gives a value that every schema rejects for a body that is not JSON.

    FastAPI parses the body before it runs dependencies, so bad JSON would be 400 before 401. Such a
    value fails in validation, which comes after authentication.
    """

    async def json(self) -> Any:
        return json_of(await self.body())


def json_of(body: bytes) -> Any:
    try:
        # `int` raises ValueError for NaN and Infinity, which are not JSON.
        return json.loads(body.decode(), parse_int=_number, parse_constant=int)
    except (ValueError, RecursionError):
        return NOT_JSON


def _number(digits: str) -> int | float:
    # `int` raises ValueError for thousands of digits, and no schema accepts more than 64 bits.
    return int(digits) if len(digits) <= INT64_DIGITS else float(digits)


class JSONBodyRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_json_body(request: Request) -> Response:
            return await handle(JSONBodyRequest(request.scope, request.receive))

        return handle_json_body
