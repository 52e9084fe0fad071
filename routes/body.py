"""How a JSON body is read: it is judged only when the caller is known."""

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute

NOT_JSON = "not JSON"
INT64_DIGITS = 19


class JSONBodyRequest(Request):
    """FastAPI parses the body before it runs dependencies, so bad JSON would be 400 before 401.
    This returns a value that every schema rejects; validation then fails after authentication.
    """

    async def json(self) -> Any:
        try:
            body = (await self.body()).decode()
            return json.loads(body, parse_int=_number, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return NOT_JSON


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= INT64_DIGITS else float(digits)  # `int` refuses thousands


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class JSONBodyRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_json_body(request: Request) -> Response:
            return await handle(JSONBodyRequest(request.scope, request.receive))

        return handle_json_body
