import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.database import Database
from sandbox.gateway import books, endpoints, problems, webhooks
from sandbox.gateway.settings import GatewaySettings

DESCRIPTION = """A payment gateway for tests. The card token decides what happens: `tok_ok`, `tok_declined`,
`tok_late`, `tok_duplicate`, `tok_lost_answer`, `tok_slow_answer`, `tok_reversed`, `tok_no_webhook`,
`tok_action_required`, `tok_authorised`. Outcomes are sent as signed webhooks."""


def create(settings: GatewaySettings) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(settings.data_dir / "gateway.sqlite", books.SCHEMA + webhooks.SCHEMA, books.migrate)
        deliverer = webhooks.Deliverer(database, settings)
        delivering = asyncio.create_task(deliverer.run())
        app.state.gateway = endpoints.Gateway(settings, database, deliverer, delivering)
        try:
            yield
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
            database.close()

    app = FastAPIOffline(title="Sandbox payment gateway", description=DESCRIPTION, version="1", lifespan=lifespan)
    for router in (endpoints.hot, endpoints.router, endpoints.customers, endpoints.health):
        app.include_router(router)
    app.add_exception_handler(problems.Rejected, problems.on_rejected)
    app.add_exception_handler(RequestValidationError, problems.on_invalid)
    app.add_exception_handler(ValidationError, problems.on_invalid_body)
    app.add_exception_handler(HTTPException, problems.on_http_error)
    app.add_exception_handler(sqlite3.Error, problems.on_books_error)
    return app


class HangUpProtocol(HttpToolsProtocol):
    """Adds `scope["sandbox.hang_up"]()` to uvicorn's protocol, which closes the connection without a response."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["sandbox.hang_up"] = self.transport.close  # type: ignore[typeddict-unknown-key]
