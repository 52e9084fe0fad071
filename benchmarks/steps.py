"""`python -m benchmarks.steps STEP --port PORT`: the service without a step that made it fast.

`python -m benchmarks.instructions --without` counts what each step gives.
"""

import argparse
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import uvicorn
from pydantic_core import to_json
from starlette.middleware.cors import CORSMiddleware

import main
from driver import pool
from logs import _second_of
from middleware import requests
from routes.direct import DirectRoute
from schemas import TaskRow
from sql import lists


class TaskDict(dict[str, Any]):
    """A task of which an endpoint reads attributes."""

    __getattr__ = dict.__getitem__


def rows_by_msgspec() -> None:
    """Without it, pydantic writes dicts."""
    fields = TaskRow.__struct_fields__
    _replace("queries.TaskRow", lambda *values: dict(zip(fields, values, strict=True)))
    _replace("routes.tasks.found", TaskDict)
    _replace("routes.answers.encode", to_json)


def direct_routes() -> None:
    """Without them, FastAPI matches the request and solves what the endpoint depends on."""
    routes = main.app.router.routes
    routes[:] = [route for route in routes if not isinstance(route, DirectRoute)]


def own_pool_of_the_loop() -> None:
    """Without it, a thread waits, for a connection of SQLAlchemy's pool."""
    _replace("driver.pool.opened", lambda _: nullcontext())


def statements_compiled_once() -> None:
    _replace("driver.pool._query_of", pool._query_of.__wrapped__)  # noqa: SLF001


def statements_built_once() -> None:
    """Without it, they are compiled each time, too, as they are other ones."""
    _replace("sql.lists.list_of", lists.list_of.__wrapped__)


def remembered_tokens() -> None:
    _replace("tokens.verifier.TokenVerifier._is_still_valid", lambda *_: False)


def no_headers_without_an_origin() -> None:
    """Without it, Starlette makes its `Headers` for each request."""
    _replace("middleware.LoggedCORSMiddleware.__call__", CORSMiddleware.__call__)


def no_search_for_the_caller_of_the_log_line() -> None:
    make_record = requests.makeRecord

    def make_record_with_caller(*values: Any, **options: Any) -> logging.LogRecord:
        requests.findCaller()
        return make_record(*values, **options)

    _replace("middleware.requests.makeRecord", make_record_with_caller)


def remembered_second_of_the_log_line() -> None:
    _replace("logs._second_of", _second_of.__wrapped__)


def calm_garbage_collector() -> None:
    """Without it, Python collects garbage as often as it does by default, in all that is there."""
    _replace("gc.freeze", lambda: None)
    _replace("gc.set_threshold", lambda *_: None)


STEPS: Mapping[str, Callable[[], None]] = {
    step.__name__.replace("_", "-"): step
    for step in (
        direct_routes,
        own_pool_of_the_loop,
        rows_by_msgspec,
        remembered_tokens,
        statements_built_once,
        statements_compiled_once,
        calm_garbage_collector,
        no_search_for_the_caller_of_the_log_line,
        no_headers_without_an_origin,
        remembered_second_of_the_log_line,
    )
}


def _replace(target: str, replacement: Any) -> None:
    patch(target, replacement).start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps")
    parser.add_argument("step", choices=STEPS, help="which the service is to do without")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    STEPS[options.step]()
    uvicorn.run(main.app, port=options.port)
