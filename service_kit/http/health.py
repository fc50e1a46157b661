"""Health: the process (`live`), what its answers need (`ready`), and whether events make their way (`consumers`)."""

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from service_kit.database.revisions import head
from service_kit.http.router import Router
from service_kit.runtime import Runtime
from service_kit.security import PUBLIC

router = Router(prefix="/health", tags=["health"])
metrics_router = Router(tags=["health"])

REVISION = "SELECT version_num FROM alembic_version"


class Alive(BaseModel):
    status: str = "ok"


class Readiness(BaseModel):
    """Each check's outcome: `ok`, or what is wrong."""

    ready: bool
    checks: dict[str, str]


@router.get("/live", summary="Is the process alive?", openapi_extra=PUBLIC)
async def live() -> Alive:
    """Stays green while a dependency is down: restarting this process would mend nothing."""
    return Alive()


@router.get("/ready", summary="Can it serve requests?", openapi_extra=PUBLIC, responses={503: {"model": Readiness}})
async def ready(request: Request, response: Response) -> Readiness:
    """Database, migrations and verification keys, and that it isn't about to stop; not the broker, or one broker would
    take every API down."""
    runtime: Runtime = request.app.state.runtime
    checks = {
        "database": await _database(runtime),
        "keys": "ok" if runtime.keys.ready else "not fetched yet",
        "events": runtime.messaging.readiness(),
        "process": "is about to stop" if runtime.is_leaving else "ok",
    }
    answer = Readiness(ready=all(outcome == "ok" for outcome in checks.values()), checks=checks)
    response.status_code = 200 if answer.ready else 503
    return answer


@router.get("/consumers", summary="Do events make their way?", openapi_extra=PUBLIC)
async def consumers(request: Request, response: Response) -> dict[str, Any]:
    """Broker, relay and consumers: `ok`, or 503 when one has work and makes no progress."""
    health = await request.app.state.runtime.messaging.health()
    response.status_code = 200 if health.ok else 503
    return asdict(health)


@metrics_router.get(
    "/metrics", summary="Prometheus metrics", openapi_extra=PUBLIC, response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _database(runtime: Runtime) -> str:
    try:
        async with asyncio.timeout(2), runtime.database.hot() as connection:
            revision = await connection.fetchval(REVISION)
    except Exception as error:
        return f"can't be reached ({type(error).__name__})"
    newest = head(runtime.settings.service_name)
    return "ok" if revision == newest else f"migrated to {revision}, this code needs {newest}: run the migrations"
