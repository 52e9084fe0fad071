"""Start and stop. The start migrates the tables, in a database that may still be waking up.

A transient error is retried. Any other ends the start with one line that says what to do.
"""

import asyncio
import gc
import logging
import re
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import database
import hosts
import logs
from auth import get_current_user
from settings import SECRET_CHARACTERS_MIN, StartupError, get_settings, misspelt_names

log = logging.getLogger("tasks.database")
server_log = logging.getLogger("tasks.server")
settings_log = logging.getLogger("tasks.settings")

# Whose classes protocol.py changes.
UVICORN_VERSION = "0.54.0"

# The pauses between the attempts.
DELAYS_SECONDS = (0.5, 1, 2, 4, 4, 4, 4)

CREDENTIALS = "{setting} needs the user and the password that the server knows"
TLS = "sslmode and certificates in {setting} must fit the server"
# Permanent errors by their texts, and what to do about each. A refused connection has no SQLSTATE,
# only the server's text. For a text that is not here, or is in another language, the start retries,
# as for a database that does not answer.
ADVICE = {
    r"password authentication failed|no such user|SASL authentication failed": CREDENTIALS,
    r'role ".*" does not exist|Tenant or user not found': CREDENTIALS,
    r'database ".*" does not exist|no such database': "create it, or correct {setting}",
    r"no pg_hba.conf entry": "the server's pg_hba.conf must let this user in from here",
    r"endpoint could not be found|Endpoint ID is not": "copy {setting} from Neon again",
    r"does not support SSL|certificate verify failed|root certificate file": TLS,
    r"unsupported startup parameter": "take it out of {setting}; PgBouncer refuses it",
    r"statement pooling mode": "set pool_mode = transaction in PgBouncer",
    r"permission denied for schema (?P<schema>.+)": "GRANT USAGE, CREATE ON SCHEMA {schema}"
    " TO {user}",
    r"must be owner of": "run `make migrate` as the owner, or make {user} the owner",
    r"permission denied for (table|sequence) (?P<name>.+)": "GRANT SELECT, INSERT, UPDATE, DELETE"
    " ON {name} TO {user}",
    r"(relation|column) .* does not exist|no such (table|column)": "the tables are marked as"
    " migrated, but lack this: run the version that they were migrated for",
    r'(constraint "ck_tasks_|NOT NULL constraint failed: \w+\.)(?P<name>\w+)': "a row of the table"
    " tasks has no {name}: set it, or delete the row",
    r"no schema has been selected": "the search_path must name a schema that exists",
    r"unable to open database file|readonly database": "this user must be able to write to the"
    " file and to its folder, or {setting} must name a PostgreSQL",
    r"not a database": "{setting} names a file that is not SQLite's",
}


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
    if database.get_db not in app.dependency_overrides:
        log.info("Database: %s", database.describe(database.engine))
        is_told = hosts.place() and settings.database_is_default
        if database.engine.dialect.name == "sqlite" and not is_told:
            log.warning("Tasks are kept in a local file; for PostgreSQL, set NEON_DATABASE_URL")
        for warning in hosts.misplaced_defaults(settings):
            log.warning(warning)
        await create_tables_when_reachable()
    # Objects alive after startup live until shutdown; keep them out of every later collection.
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    # A request leaves no garbage in cycles; what a fault leaves must not wait for days. A full
    # collection takes a millisecond.
    gc.set_threshold(200_000, 10, 1)
    with _bounded_connections():
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
                advice = _advice_on(reason)
                is_transient = not advice and database.is_unavailable(error)
                delay = next(delays, None) if is_transient else None
                if delay is None:
                    raise StartupError(
                        f"The database cannot be {'reached' if is_transient else 'used'}"
                        f" ({database.describe(database.engine)}): "
                        + "; ".join(filter(None, (reason, advice)))
                    ) from None
                log.warning(
                    "The database does not answer yet, trying again in %s s: %s", delay, reason
                )
                await asyncio.sleep(delay)


def _advice_on(reason: str) -> str | None:
    """Say what to do about a permanent error. None if the error may be transient."""
    for pattern, advice in ADVICE.items():
        found = re.search(pattern, reason)
        if found:
            return advice.format(
                **found.groupdict(),
                user=database.engine.url.username,
                setting=get_settings().database_setting,
            )
    return None


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
