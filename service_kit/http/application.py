"""`create_app` builds a service's application from the parts that its `main.py` lists."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from types import ModuleType

from fastapi import FastAPI
from starlette.middleware import Middleware

from service_kit import failpoints, housekeeping
from service_kit.audit.endpoints import router as audit_log
from service_kit.http import health, openapi
from service_kit.http.head import HeadRoutes
from service_kit.http.hot_route import HotRoutes
from service_kit.http.middleware import RequestMiddleware
from service_kit.http.operations import operations_app
from service_kit.http.problem_responses import add_error_handlers
from service_kit.http.router import Router
from service_kit.http.uploads import streamed_operations
from service_kit.jobs import Job
from service_kit.messaging.endpoints import router as dead_letters
from service_kit.personal_data import PersonalData
from service_kit.personal_data.consumers import consumers_of, jobs_of
from service_kit.personal_data.export import export_router
from service_kit.runtime import Runtime
from service_kit.security.keys import FetchKeys
from service_kit.settings import ServiceSettings
from service_kit.telemetry.logs import configure_logs
from service_kit.version import VERSION

Lifespan = Callable[[Runtime], AbstractAsyncContextManager[None]]


def create_app(
    settings: ServiceSettings,
    *,
    title: str,
    description: str,
    routers: Sequence[Router],
    personal_data: PersonalData,
    consumers: Sequence[ModuleType] = (),
    jobs: Sequence[Job] = (),
    lifespan: Lifespan | None = None,
    fetch_keys: Callable[[Runtime], FetchKeys] | None = None,
    audit_log: Router = audit_log,
) -> FastAPI:
    """The application of a service. `lifespan` opens the service's own resources (a gateway's client) for the whole run
    and passes them to `Runtime.provide`. `fetch_keys` replaces fetching the verification keys over HTTP, in the service
    that creates them. `audit_log` replaces the kit's endpoint, for a service whose log has more columns.
    """
    configure_logs(service=settings.service_name, level=settings.log_level, style=settings.log_format)
    failpoints.arm(settings.failpoints, settings.service)
    runtime = Runtime(
        settings,
        consumers=[*consumers, *consumers_of(settings.service, personal_data)],
        jobs=[*jobs, *jobs_of(personal_data), *housekeeping.JOBS],
        fetch_keys=fetch_keys,
    )
    routers = [*routers, export_router(personal_data), audit_log]
    app = FastAPI(
        title=title, description=description, version=VERSION, docs_url=None, redoc_url=None,
        lifespan=_lifespan(runtime, lifespan),
        openapi_url="/openapi.json" if settings.has_docs else None,
        middleware=_middleware(runtime, routers),
        # RequestMiddleware traces, measures and logs; FastAPI would look for providers on each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )  # fmt: skip
    app.state.runtime = runtime
    _add_routes(app, settings, [*routers, dead_letters, health.router])
    app.state.operations = operations_app(runtime, app.openapi)
    return app


def _middleware(runtime: Runtime, routers: Sequence[Router]) -> list[Middleware]:
    return [
        Middleware(RequestMiddleware, runtime=runtime, streamed=streamed_operations(routers)),
        Middleware(HeadRoutes),
        Middleware(HotRoutes, routers),
    ]


def _lifespan(runtime: Runtime, of_service: Lifespan | None) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        async with of_service(runtime) if of_service else nullcontext():
            await runtime.start()
            try:
                yield
            finally:
                await runtime.stop()

    return run


def _add_routes(app: FastAPI, settings: ServiceSettings, routers: Sequence[Router]) -> None:
    add_error_handlers(app)
    for router in routers:
        # `include_router` would create every route twice, and match both at each request.
        app.router.routes.extend(router.routes)
    token_url = f"{settings.public_issuer.rstrip('/')}/auth/token"
    openapi.describe(app, token_url=token_url)
    if settings.has_docs:
        openapi.add_pages(app, token_url=token_url)
