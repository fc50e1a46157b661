import asyncio
import sqlite3
from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from sandbox.database import Database
from sandbox.mailbox import messages

templates = Jinja2Templates(Path(__file__).parent / "templates")

To = Annotated[str | None, Query(max_length=320, description="a recipient's address")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(pattern=r"^\d{1,18}$", description="`next` of the previous page")]

# Our own pages run only the scripts in their templates. The HTML of a mail runs no scripts and loads nothing.
PAGE = {"Content-Security-Policy": "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"}
MAIL = {"Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"}

api = APIRouter(prefix="/messages", tags=["messages"])
pages = APIRouter(include_in_schema=False)
health = APIRouter(prefix="/health", tags=["health"])


@api.get("", summary="List messages")
async def list_messages(request: Request, to: To = None, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """Newest first."""
    return await _database(request).read(lambda db: messages.list_messages(db, to, limit, cursor))


@api.get("/count", summary="Count messages")
async def count_messages(request: Request, to: To = None, distinct: bool = False) -> dict[str, int]:
    """Counts all messages. With `distinct`, messages with the same Message-ID count once."""
    return {"count": await _database(request).read(lambda db: messages.count(db, to, distinct=distinct))}


@api.get("/{id}", summary="Get a message")
async def read_message(request: Request, id: int) -> dict[str, Any]:
    """One message: its headers, text, HTML, and a list of attachments."""
    return await _message(request, id)


@api.get("/{id}/raw", summary="Get the source of a message", response_class=PlainTextResponse)
async def read_raw(request: Request, id: int) -> Response:
    """The message as it was received by SMTP."""
    return PlainTextResponse((await _row(request, id))["raw"])


@api.delete("", status_code=204, summary="Delete all messages")
async def clear_messages(request: Request) -> None:
    """Empties the mailbox."""
    await _database(request).write(messages.clear)


@pages.get("/")
async def show_list(request: Request, to: To = None, cursor: Cursor = None) -> HTMLResponse:
    def read(db: sqlite3.Connection) -> dict[str, Any]:
        page = messages.list_messages(db, to, 50, cursor, beginning=True)
        return {**page, "count": messages.count(db, to, beginning=True)}

    context = {**await _database(request).read(read), "to": to or "", "cursor": cursor}
    return templates.TemplateResponse(request, "list.html", context, headers=PAGE)


@pages.get("/mail/{id}")
async def show_message(request: Request, id: int) -> HTMLResponse:
    message = await _message(request, id)
    return templates.TemplateResponse(request, "message.html", {**message, "sender": message["from"]}, headers=PAGE)


@pages.get("/mail/{id}/html")
async def show_html(request: Request, id: int) -> HTMLResponse:
    return HTMLResponse((await _message(request, id))["html"] or "", headers=MAIL)


@health.get("/live", summary="Check that the process runs")
async def live() -> dict[str, str]:
    return {"status": "ok"}


@health.get("/ready", summary="Check that mail can be stored")
async def ready(request: Request) -> dict[str, str]:
    await _database(request).write(lambda _: None)
    return {"status": "ok"}


def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


async def _row(request: Request, id: int) -> sqlite3.Row:
    row = await _database(request).read(lambda db: messages.find(db, id))
    if row is None:
        raise HTTPException(404, f"There is no message {id}.")
    return row


async def _message(request: Request, id: int) -> dict[str, Any]:
    return await asyncio.to_thread(messages.whole, await _row(request, id))
