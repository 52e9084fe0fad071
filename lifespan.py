"""Start and stop. The start migrates the tables, in a database that may still be waking up.

A transient error is retried. Any other ends the start with one line that says what to do.
"""

import asyncio
import gc
import logging
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import advice
import database
import logs
from auth import get_current_user
from driver import pool
from driver.executors import is_unavailable
from settings import SECRET_CHARACTERS_MIN, StartupError, get_settings, misspelt_names

log = logging.getLogger("tasks.start")
server_log = logging.getLogger("tasks.server")
settings_log = logging.getLogger("tasks.settings")

# Whose classes protocol.py changes.
UVICORN_VERSION = "0.54.0"

# The pauses between the attempts.
DELAYS_SECONDS = (0.5, 1, 2, 4, 4, 4, 4)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = get_settings()
    logs.configure(settings.log_format)
    for name, resembled in misspelt_names():
        settings_log.warning("%s in .env is no setting: is it meant for %s?", name, resembled)
    # A test that overrides these needs neither secrets nor a database.
    if get_current_user not in app.dependency_overrides:
        settings.required_secret()
        for secret in settings.short_secrets():
            settings_log.warning(
                "%s has fewer than %s characters, so that whoever has a token can guess it: give"
                " both sides a new one (openssl rand -base64 32)",
                secret,
                SECRET_CHARACTERS_MIN,
            )
        settings_log.info(
            "Tokens: issued by %r, whose keys are at %s, or HS256 with the shared secret."
            " Origins: %s",
            settings.issuer,
            settings.jwks_url,
            settings.described_origins,
        )
        if settings.mcp_url:
            settings_log.info(
                "Assistants: at %s, with OAuth tokens of %s too",
                settings.mcp_url,
                settings.better_auth_base_url,
            )
    if database.get_db not in app.dependency_overrides:
        log.info("Database: %s", database.describe(database.engine))
        is_told = advice.place() and settings.database_is_default
        if database.engine.dialect.name == "sqlite" and not is_told:
            log.warning("Tasks are kept in a local file; for PostgreSQL, set NEON_DATABASE_URL")
        for warning in advice.misplaced_defaults(settings):
            log.warning(warning)
        await create_tables_when_reachable()
    # Objects alive after startup live until shutdown; keep them out of every later collection.
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    # A request leaves no garbage in cycles; what a fault leaves must not wait for days. A full
    # collection takes a millisecond.
    gc.set_threshold(200_000, 10, 1)
    with _bounded_connections(), pool.opened(database.engine):
        yield
    gc.set_threshold(*thresholds)
    database.engine.dispose()


class OneLineStartupFailure:
    """Logs in one line, instead of a traceback, why the server cannot start."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_one_line(message: Message) -> None:
            error = sys.exception()
            if message["type"] == "lifespan.startup.failed" and isinstance(error, StartupError):
                message["message"] = str(error)
            await send(message)

        is_lifespan = scope["type"] == "lifespan"
        await self.app(scope, receive, send_one_line if is_lifespan else send)


async def create_tables_when_reachable() -> None:
    """Create the tables, and retry while the database may still be waking up."""
    delays = iter(DELAYS_SECONDS)
    with _default_signal_handlers():
        while True:
            try:
                return await run_in_threadpool(database.create_tables)
            except DBAPIError as error:
                reason = str(error.orig).strip().partition("\n")[0]
                what_helps = advice.on_error(
                    reason,
                    user=database.engine.url.username,
                    setting=get_settings().database_setting,
                )
                is_transient = not what_helps and is_unavailable(error)
                delay = next(delays, None) if is_transient else None
                if delay is None:
                    raise StartupError(
                        f"The database cannot be {'reached' if is_transient else 'used'}"
                        f" ({database.describe(database.engine)}): "
                        + "; ".join(filter(None, (reason, what_helps)))
                    ) from None
                log.warning(
                    "The database does not answer yet, trying again in %s s: %s", delay, reason
                )
                await asyncio.sleep(delay)


@contextmanager
def _bounded_connections() -> Iterator[None]:
    """Bound what uvicorn's connections hold, where uvicorn is the server."""
    uvicorn = sys.modules.get("uvicorn")
    if uvicorn is None:
        yield
    elif uvicorn.__version__ != UVICORN_VERSION:
        server_log.warning(
            "Connections are not bounded: protocol.py was written for uvicorn %s, and this is %s."
            " Install requirements.txt, or put the service behind a proxy",
            UVICORN_VERSION,
            uvicorn.__version__,
        )
        yield
    else:
        # Another version may lack what this module imports.
        from protocol import bounded_connections  # noqa: PLC0415

        with bounded_connections():
            yield


@contextmanager
def _default_signal_handlers() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the process at once, since no request needs an orderly end yet.

    Uvicorn's own handlers would act only after the start.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # in a TestClient's thread; only the main thread may set handlers
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
