"""The application, assembled: routes, exception handlers, middleware, start and stop."""

import os
import sys

from fastapi import FastAPI
from starlette.types import ASGIApp

from errors import EXCEPTION_HANDLERS, PayloadTooLarge, ServerError
from lifespan import OneLineStartupFailure, lifespan
from middleware import (
    BodyLimit,
    CrashBoundary,
    LoggedCORSMiddleware,
    RequestLog,
    SentPath,
    SmugglingGuard,
)
from openapi import DocumentedAPI, documented
from routes import docs, health, tasks
from routes.direct import direct_routes
from settings import get_settings

# A provider is of OpenTelemetry's SDK, which these variables, or a program around this one, load.
HAS_TELEMETRY = "opentelemetry.sdk" in sys.modules or any(
    name.startswith("OTEL_") for name in os.environ
)


class TasksAPI(DocumentedAPI):
    def build_middleware_stack(self) -> ASGIApp:
        """Put the guard outside Starlette's own crash handler, whose 500 must close too."""
        return SmugglingGuard(super().build_middleware_stack())


app: FastAPI = TasksAPI(
    title="Tasks API",
    version="1.2.1",
    description="Tasks of the users of a Next.js front end, who sign in with Better Auth.",
    servers=[{"url": "/", "description": "Where this document comes from"}],
    lifespan=lifespan,
    responses=documented(PayloadTooLarge, ServerError),
    docs_url=None,  # routes/docs.py
    redoc_url=None,
    redirect_slashes=False,
    exception_handlers=EXCEPTION_HANDLERS,
    generate_unique_id_function=lambda route: route.name,
    # Spans and metrics go where OTEL_EXPORTER_OTLP_ENDPOINT says; nothing is loaded without it, and
    # FastAPI need not look for it with each request. Log records would carry exceptions' texts.
    telemetry={
        "auto_configure": True,
        "tracing": HAS_TELEMETRY,
        "metrics": HAS_TELEMETRY,
        "logs": False,
    },
)

# The last one added is the first to see a request.
app.add_middleware(SentPath)
app.add_middleware(BodyLimit)
app.add_middleware(CrashBoundary)
app.add_middleware(
    LoggedCORSMiddleware,
    allow_origins=get_settings().allowed_origins,
    allow_origin_regex=get_settings().cors_origin_regex,
    allow_credentials=True,
    allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    allow_headers=["*"],
    expose_headers=[
        "Location",
        "Retry-After",
        "WWW-Authenticate",
        "X-Request-ID",
        "Idempotent-Replayed",
    ],
)
app.add_middleware(RequestLog)
app.add_middleware(OneLineStartupFailure)

app.include_router(tasks.router)
app.include_router(health.router)
app.include_router(docs.router)
if get_settings().mcp_url:
    # The package takes half a second of CPU to load, and 20 MB.
    from routes import mcp

    app.include_router(mcp.router)

# The first route that matches a request takes it.
app.router.routes[:0] = direct_routes(app)
