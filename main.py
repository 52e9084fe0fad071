"""The application: middleware, error handlers, routes, start and stop."""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import database
import logs
import startup
from auth import BEARER_SCHEME
from body_limit import BodyLimit
from errors import (
    CrashBoundary,
    MethodNotAllowed,
    PathNotFound,
    PayloadTooLarge,
    ServerError,
    ServiceUnavailable,
    TextNotStored,
    Unauthorized,
    answer,
    documented,
    on_http_exception,
    on_validation_error,
)
from framing import FramingInDoubt
from routes.tasks import path_of
from routes.tasks import router as tasks_router
from schemas import HealthResponse, ReadyResponse
from settings import StartupError, get_settings

log = logging.getLogger("tasks")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = get_settings()
    logs.configure(settings.log_format)
    settings.required_secret()
    log.info("Database: %s", database.describe(database.engine))
    if database.engine.dialect.name == "sqlite":
        log.warning("Tasks are kept in a local file; for PostgreSQL, set NEON_DATABASE_URL")
    await startup.create_tables_when_reachable()
    # What lives now lives until the end: the collector need not look at it again and again.
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    yield
    gc.set_threshold(*thresholds)
    database.engine.dispose()


class TasksAPI(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        """Starlette's, whose own crash handler is to end a connection in doubt too."""
        return FramingInDoubt(super().build_middleware_stack())

    def openapi(self) -> dict[str, Any]:
        """FastAPI's document, with the security scheme that `get_current_user` stands for, and
        without the 422 that FastAPI adds and this API never sends.
        """
        document = super().openapi()
        components = document["components"]
        components["securitySchemes"] = {"bearer": BEARER_SCHEME}
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
                if str(Unauthorized.status.value) in operation["responses"]:
                    operation["security"] = [{"bearer": []}]
        return document


class ExactPaths:
    """Paths are matched by regular expressions, whose `$` lets a line break at the end pass."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("\n"):
            refusal = answer(PathNotFound.status, PathNotFound.text, PathNotFound.code)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


class StartupFailure:
    """Shows the operator why the server cannot start in one line, instead of a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_one_line(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                kind, _, reason = message["message"].rstrip().rpartition("\n")[2].partition(": ")
                if kind.endswith(StartupError.__name__):
                    message["message"] = reason
            await send(message)

        await self.app(scope, receive, send_one_line)


app = TasksAPI(
    title="Tasks API",
    version="1.0.0",
    description="Tasks of the users of a Next.js front end, who sign in with Better Auth.",
    lifespan=lifespan,
    responses=documented(PayloadTooLarge, ServerError),
    redoc_url=None,
    redirect_slashes=False,
    generate_unique_id_function=lambda route: route.name,
    # Spans and metrics go where OTEL_EXPORTER_OTLP_ENDPOINT says; nothing is loaded without it. Log
    # records would carry the texts of exceptions.
    telemetry={"auto_configure": True, "logs": False},
)

# The last one added is the first to see a request.
app.add_middleware(ExactPaths)
app.add_middleware(BodyLimit)
app.add_middleware(CrashBoundary)
app.add_middleware(
    CORSMiddleware,
    allow_origins=get_settings().allowed_origins,
    allow_credentials=True,
    allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    allow_headers=["*"],
    expose_headers=["Location", "Retry-After", "WWW-Authenticate", "X-Request-ID"],
)
app.add_middleware(logs.RequestLog)
app.add_middleware(StartupFailure)


@app.exception_handler(database.DatabaseUnavailable)
async def on_database_unavailable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, database.DatabaseUnavailable)
    log.warning("Database unavailable: %s", error)
    refusal = ServiceUnavailable({"Retry-After": str(error.retry_after)})
    return await on_http_exception(request, refusal)


@app.exception_handler(database.UnstorableText)
async def on_unstorable_text(request: Request, error: Exception) -> JSONResponse:
    log.warning("The database does not take a text: %s", error)
    return await on_http_exception(request, TextNotStored())


@app.exception_handler(405)
async def on_method_not_allowed(request: Request, error: Exception) -> JSONResponse:
    """The router names the methods of the first route that fits; a path may have several."""
    path = path_of(request.scope).removeprefix(request.scope.get("root_path", ""))
    allowed = {
        method
        for route in iter_route_contexts(app.routes)
        if route.path_regex.match(path)
        for method in route.methods or ()
    }
    refusal = MethodNotAllowed({"Allow": ", ".join(sorted(allowed))})
    return await on_http_exception(request, refusal)


app.add_exception_handler(RequestValidationError, on_validation_error)
app.add_exception_handler(StarletteHTTPException, on_http_exception)
app.include_router(tasks_router)


@app.head("/health", include_in_schema=False)
@app.get("/health", tags=["operation"])
async def health() -> HealthResponse:
    """The process lives. The database is not asked."""
    return HealthResponse(status="healthy")


@app.head("/ready", include_in_schema=False)
@app.get("/ready", tags=["operation"], responses=documented(ServiceUnavailable))
async def ready(source: Annotated[database.Source, Depends(database.GetSource())]) -> ReadyResponse:
    """The database answers, and can be written to."""
    await database.run(source, database.probe)
    return ReadyResponse(status="ready")
