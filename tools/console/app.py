"""The pages of the console and their data. Everything is read-only, and for browsers on this machine."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tools.console.watch import Watch
from tools.console.worker import Worker, WorkFailed

PAGES = Path(__file__).with_name("pages")
# A page of another site could point its own host name to 127.0.0.1, and read the answers.
HOSTS = ["localhost", "127.0.0.1"]
HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
MEDIA_TYPES = {"uPlot.iife.min.js": "text/javascript", "uPlot.min.css": "text/css"}
LONGEST_NUMBER = 18  # digits


def create(worker: Worker) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.watch = Watch(worker)
        app.state.charts = {}
        yield
        await app.state.watch.stop()

    return Starlette(
        routes=[
            Route("/", index),
            Route("/api/state", state),
            Route("/api/orders", orders),
            Route("/api/orders/{number}/trail", trail),
            Route("/api/logs", logs),
            Route("/charts/{name}", charts),
            Route("/health/live", live),
            Route("/health/ready", live),
            Mount("/pages", StaticFiles(directory=PAGES)),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
        ],
        exception_handlers={HTTPException: _rejected, WorkFailed: _failed},
        lifespan=lifespan,
    )


async def index(_: Request) -> Response:
    return FileResponse(PAGES / "index.html")


async def state(request: Request) -> Response:
    """The latest sample, and the points of the charts that are later than `after`."""
    try:
        after = float(request.query_params.get("after", "0"))
    except ValueError:
        raise HTTPException(400, "`after` is no number.") from None
    watch = _watch(request)
    watch.touch()
    return JSONResponse(watch.state(after))


async def orders(request: Request) -> Response:
    """The last orders, newest first."""
    return JSONResponse(await _work(request, "orders"))


async def trail(request: Request) -> Response:
    """The steps of one order through all services."""
    number = request.path_params["number"]
    is_number = number.isascii() and number.isdecimal() and len(number) <= LONGEST_NUMBER
    found = await _work(request, "trail", number=int(number)) if is_number else None
    if found is None:
        raise HTTPException(404, f"There is no order {number}.")
    return JSONResponse(found)


async def logs(request: Request) -> Response:
    """The log lines of one trace; without a trace, the last warnings and errors."""
    trace_id = request.query_params.get("trace_id", "").lower()
    if trace_id and not (len(trace_id) == 32 and set(trace_id) <= set("0123456789abcdef")):
        raise HTTPException(400, "A trace id has 32 hexadecimal digits.")
    return JSONResponse(await _work(request, "logs", trace_id=trace_id, after=request.query_params.get("after", "")))


async def charts(request: Request) -> Response:
    """The files of uPlot, from its jar."""
    name, known = request.path_params["name"], request.app.state.charts
    if name not in MEDIA_TYPES:
        raise HTTPException(404, "There is no such file.")
    if name not in known:
        known.update(await _work(request, "charts"))
    return Response(known[name], media_type=MEDIA_TYPES[name])


async def live(_: Request) -> Response:
    """It needs nothing: what it shows may be down."""
    return JSONResponse({"status": "ok"})


class SecurityHeaders:
    """Adds headers to each response, and rejects requests that a page of another site made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store" if scope["path"].startswith("/api/") else "no-cache")
            await send(message)

        site = Request(scope).headers.get("sec-fetch-site", "none")
        if scope["path"] != "/" and site not in ("none", "same-origin"):
            rejection = JSONResponse({"detail": "Only the console's own page may ask for this."}, 403)
            await rejection(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


def _watch(request: Request) -> Watch:
    return cast(Watch, request.app.state.watch)


async def _work(request: Request, task: str, **arguments: Any) -> Any:
    """Raises: WorkFailed."""
    watch = _watch(request)
    watch.touch()
    return await watch.worker.ask(task, **arguments)


async def _rejected(_: Request, error: Exception) -> Response:
    raised = cast(HTTPException, error)
    return JSONResponse({"detail": raised.detail}, raised.status_code)


async def _failed(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503)
