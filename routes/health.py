"""Where the API's address leads (`/`), liveness (`/health`) and readiness (`/ready`)."""

from fastapi import APIRouter, Request
from sqlalchemy.exc import DBAPIError

from driver.executors import DatabaseUnavailable, lacks_tables, reason_of
from errors import ServiceUnavailable
from openapi import documented
from routes.dependencies import GivenExecutor
from schemas import Health, Index, Readiness
from sql.scope import Probe

router = APIRouter(tags=["operation"])


@router.head("/", include_in_schema=False)
@router.get("/")
async def index(request: Request) -> Index:
    """Where to go from here."""
    prefix = request.scope.get("root_path", "")
    return Index(
        name=request.app.title,
        docs=f"{prefix}/docs",
        openapi=prefix + request.app.openapi_url,
        health=f"{prefix}/health",
    )


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health() -> Health:
    """Answer while the process lives, without asking the database."""
    return Health(status="healthy")


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses=documented(ServiceUnavailable))
async def ready(executor: GivenExecutor) -> Readiness:
    """Check that the database answers, can be written to, and has the columns that are needed."""
    try:
        await executor.execute(Probe(), {})
    except DBAPIError as error:
        if lacks_tables(error):
            raise DatabaseUnavailable(reason_of(error)) from error
        raise
    return Readiness(status="ready")
