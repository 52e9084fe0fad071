"""What a running service logs of a request, and a database whose errors quote the task."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from service import Service
from users import OWNER, bearer
from waiting import eventually

# The words that tests put into requests, and look for in what the service tells.
TITLE = "Divorce lawyer on Tuesday"
DESCRIPTION = "Room 4711"
LINE_SECONDS = 20

# A table that quotes a new title in its refusal: as a plain error, as one that looks like a lost
# connection, and in the words of PostgreSQL itself. It can also end the connection.
QUOTING_TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.description = 'raise' THEN
        RAISE EXCEPTION 'refused: %', NEW.title USING DETAIL = NEW.title, HINT = NEW.title;
    ELSIF NEW.description = 'disconnect' THEN
        RAISE EXCEPTION 'refused: %', NEW.title USING ERRCODE = '57P01';
    ELSIF NEW.description = 'close' THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE tasks ADD CHECK (description <> 'check');
"""


def lines_of(service: Service, request_id: str) -> list[dict[str, Any]]:
    """The log's lines of a request, in JSON; the last one is the line that every request has."""

    def lines() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in service.log().splitlines() if request_id in line]
        return found if any("status" in line for line in found) else []

    return eventually("the line of the request", lines, seconds=LINE_SECONDS)


@contextmanager
def kept_lines(logger_name: str) -> Iterator[list[str]]:
    """The messages of a logger in this process, while the `with` lasts."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Keep()
    logger = logging.getLogger(logger_name)
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


def create(service: Service, request_id: str, **body: str) -> httpx2.Response:
    return service.client.post(
        f"/api/{OWNER}/tasks", json=body, headers=bearer() | {"X-Request-ID": request_id}
    )
