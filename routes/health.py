"""The probes of a platform: liveness (`/health`) and readiness (`/ready`)."""

from typing import Annotated

from fastapi import APIRouter, Depends

from database import EngineExecutor, GetExecutor, executor_of
from errors import ServiceUnavailable
from openapi import documented
from queries import WRITE_NOTHING
from schemas import HealthResponse, ReadyResponse

router = APIRouter(tags=["operation"])


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health() -> HealthResponse:
    """Answer while the process lives, without asking the database."""
    return HealthResponse(status="healthy")


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses=documented(ServiceUnavailable))
async def ready(given: Annotated[EngineExecutor, Depends(GetExecutor())]) -> ReadyResponse:
    """Check that the database answers and can be written to."""
    await executor_of(given).execute(WRITE_NOTHING, {})
    return ReadyResponse(status="ready")
