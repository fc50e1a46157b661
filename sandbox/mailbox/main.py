import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from sandbox.database import Database
from sandbox.mailbox import endpoints, messages, smtp
from sandbox.mailbox.settings import MailboxSettings


def create(settings: MailboxSettings) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(settings.data_dir / "mailbox.sqlite", messages.SCHEMA)
        app.state.database = database
        try:
            server = await smtp.listen(database, settings)
            yield
            server.close()
        finally:
            database.close()

    app = FastAPIOffline(title="Sandbox mailbox", version="1", lifespan=lifespan)
    for router in (endpoints.api, endpoints.pages, endpoints.health):
        app.include_router(router)
    return app
