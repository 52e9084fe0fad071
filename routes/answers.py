"""Responses of success: the envelope, serialized around rows of the table, without validation."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse
from msgspec.json import encode

from driver.executors import ROWS_AT_ONCE

JSON = "application/json"


def success(
    data: Any,
    message: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **others: Any,
) -> Response:
    return Response(encode({"data": data, "message": message, **others}), status, headers, JSON)


def successful_list(parts: Iterator[list[Any]], message: str, next_cursor: str | None) -> Response:
    first = next(parts, [])
    rest = {"message": message, "next_cursor": next_cursor}
    if len(first) < ROWS_AT_ONCE:
        return Response(encode({"data": first, **rest}), media_type=JSON)
    return StreamingResponse(_serialized(first, parts, rest), media_type=JSON)


async def _serialized(
    first: list[Any], parts: Iterator[list[Any]], rest: Mapping[str, Any]
) -> AsyncIterator[bytes]:
    """Serialize a long list part by part, so that the event loop serves others in between."""
    yield b'{"data":[' + encode(first)[1:-1]
    for part in parts:
        await asyncio.sleep(0)
        yield b"," + encode(part)[1:-1]
    yield b"]," + encode(rest)[1:]
