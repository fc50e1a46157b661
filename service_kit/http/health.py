"""Public health checks: of the process (`live`) and of what it needs (`ready`). `operations.py` has the others."""

import asyncio

import asyncpg
from fastapi import Request, Response
from pydantic import BaseModel

from service_kit.database.revisions import Lineage, fit, lineages
from service_kit.database.sessions import Connection
from service_kit.http.router import Router
from service_kit.runtime import Runtime
from service_kit.security import PUBLIC

router = Router(prefix="/health", tags=["health"])

# As JSON, because the column `least_code` exists only after `migrations.needs_code` was called.
REVISION = "SELECT version_num, to_jsonb({table}) ->> 'least_code' FROM {table}"


class Liveness(BaseModel):
    status: str = "ok"


class Readiness(BaseModel):
    """The outcome of each check: `ok`, or what is wrong."""

    ready: bool
    checks: dict[str, str]


@router.get("/live", summary="Check that the process is alive", openapi_extra=PUBLIC)
async def live() -> Liveness:
    """Succeeds while a dependency is down, since restarting this process would not repair that."""
    return Liveness()


@router.get(
    "/ready", summary="Check that the process is ready", openapi_extra=PUBLIC, responses={503: {"model": Readiness}}
)
async def ready(request: Request, response: Response) -> Readiness:
    """Checks the database, its migrations, the verification keys, that jobs have run which others rely on, and that the
    process is not draining. In a process without API it also checks that events are published and consumed. An API
    stays ready while the broker is down.
    """
    runtime: Runtime = request.app.state.runtime
    answer = await readiness(runtime)
    response.status_code = 200 if answer.ready else 503
    return answer


async def readiness(runtime: Runtime) -> Readiness:
    """The result of the readiness check, which the API's port and the operations port share."""
    checks = {
        "database": await _database(runtime),
        "keys": "ok" if runtime.keys.ready else "not fetched yet",
        "events": runtime.messaging.readiness(),
        "jobs": runtime.jobs.readiness(),
        "process": "is about to stop" if runtime.is_draining else "ok",
    }
    return Readiness(ready=all(outcome == "ok" for outcome in checks.values()), checks=checks)


async def _database(runtime: Runtime) -> str:
    try:
        async with asyncio.timeout(2), runtime.database.connection() as connection:
            found = [await _fit(connection, lineage) for lineage in lineages(runtime.settings.service_name)]
    except Exception as error:
        return f"can't be reached ({type(error).__name__})"
    return next((outcome for outcome in found if outcome != "ok"), "ok")


async def _fit(connection: Connection, lineage: Lineage) -> str:
    try:
        found = await connection.fetchrow(REVISION.format(table=lineage.version_table))
    except asyncpg.UndefinedTableError:
        found = None
    outcome = fit(*(found or (None, None)), code=lineage.head)
    return outcome if outcome == "ok" else f"{lineage.package}: {outcome}"
