"""The operations port of a service, for operators: metrics and all health checks."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service_kit.http.health import readiness
from service_kit.http.middleware import RequestMiddleware
from service_kit.http.problem_responses import add_error_handlers
from service_kit.runtime import Runtime
from service_kit.telemetry import exposition


def operations_app(runtime: Runtime, openapi: Callable[[], dict[str, Any]]) -> Starlette:
    """`GET /metrics`, `/health/live`, `/health/ready`, `/health/consumers`, `/openapi.json`.

    No CORS, since no web page needs it. Network policies admit only Prometheus and the orchestrator.
    """

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        answer = await readiness(runtime)
        return JSONResponse(answer.model_dump(), 200 if answer.ready else 503)

    async def consumers(_: Request) -> Response:
        """The state of broker, relay and consumers; 503 when one of them has work and makes no progress."""
        health = await runtime.messaging.health()
        return JSONResponse(asdict(health), 200 if health.ok else 503)

    async def metrics(_: Request) -> Response:
        return Response(await exposition.text(), media_type=CONTENT_TYPE_LATEST)

    async def document(_: Request) -> Response:
        return JSONResponse(openapi())

    endpoints = {
        "/metrics": metrics,
        "/health/live": live,
        "/health/ready": ready,
        "/health/consumers": consumers,
        "/openapi.json": document,
    }
    app = Starlette(
        routes=[Route(path, endpoint) for path, endpoint in endpoints.items()],
        middleware=[Middleware(RequestMiddleware, runtime=runtime)],
    )
    add_error_handlers(app)
    return app
