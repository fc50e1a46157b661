import asyncio
import hmac
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from sandbox.database import Database
from sandbox.gateway import books, schemas, webhooks
from sandbox.gateway.problems import Rejected
from sandbox.gateway.settings import GatewaySettings


@dataclass(frozen=True)
class Gateway:
    """The objects that endpoints share."""

    settings: GatewaySettings
    database: Database
    deliverer: webhooks.Deliverer
    delivering: asyncio.Task[None]


def gateway_of(request: Request) -> Gateway:
    return cast(Gateway, request.app.state.gateway)


bearer = HTTPBearer(auto_error=False, description="GATEWAY_API_KEY")


async def authenticated(request: Request, _: Annotated[object, Depends(bearer)] = None) -> None:
    keys = gateway_of(request).settings.api_keys
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not any(hmac.compare_digest(given.encode(), key.encode()) for key in keys):
        raise Rejected(401, "unauthenticated", "The API key is missing or wrong.")


async def required_key(
    idempotency_key: Annotated[str | None, Header(description="required; a repeated request has no effect")] = None,
) -> str:
    if not idempotency_key or len(idempotency_key) > 255:
        raise Rejected(400, "idempotency-key-required", "Send an Idempotency-Key header of 1 to 255 characters.")
    return idempotency_key


Endpoint = Callable[..., Awaitable[Response]]
Key = Annotated[str, Depends(required_key)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(pattern=r"^\d{1,18}$", description="`next` of the previous page")]


def _rejections(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {"application/problem+json": {"schema": schemas.ProblemOut.model_json_schema()}}
    words = {400: "No Idempotency-Key", 404: "No such charge", 422: "Not valid, or refused"}
    return {status: {"description": words[status], "content": content} for status in statuses}


UNAUTHENTICATED: dict[int | str, dict[str, Any]] = {401: {"description": "The API key is missing or wrong"}}
router = APIRouter(dependencies=[Depends(authenticated)], responses=UNAUTHENTICATED)


# Load tests call this operation most often. It does without FastAPI's dependency injection, which is slower: it calls
# the same functions itself, and its OpenAPI entry is written by hand.
CHARGE_REQUEST = {
    "security": [{"HTTPBearer": []}],
    "parameters": [
        {"name": "idempotency-key", "in": "header", "required": True, "schema": {"type": "string", "maxLength": 255}}
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": schemas.inlined(schemas.ChargeIn)}},
    },
}
hot = APIRouter(responses=UNAUTHENTICATED)


@hot.post(
    "/charges",
    openapi_extra=CHARGE_REQUEST,
    status_code=201,
    tags=["charges"],
    summary="Create a charge",
    response_model=schemas.Charge,
    responses=_rejections(400, 422),
)
async def make_charge(request: Request) -> Response:
    """The charge is `pending`, or `action_required` if its customer must confirm it. A webhook reports its outcome. A
    repeated request returns the same charge."""
    await authenticated(request)
    key = await required_key(request.headers.get("idempotency-key"))
    body = schemas.ChargeIn.model_validate_json(await request.body())
    made = await _write(request, books.make_charge, body, key, request.headers.get("traceparent"))
    if made.new and body.token is schemas.Token.LOST_ANSWER:
        return await _close_without_response(request)
    if made.new and body.token is schemas.Token.SLOW_ANSWER:
        await asyncio.sleep(gateway_of(request).settings.slow_answer)
    return _created(made)


def _creates(path: str, tag: str, summary: str, model: type[BaseModel]) -> Callable[[Endpoint], Endpoint]:
    """Registers a POST endpoint that changes a charge, once for each Idempotency-Key."""
    return router.post(
        path, status_code=201, tags=[tag], summary=summary, response_model=model, responses=_rejections(400, 404, 422)
    )


@router.get("/charges", tags=["charges"], summary="List charges", response_model=schemas.Charges)
async def list_charges(
    request: Request,
    idempotency_key: str | None = None,
    reference: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Newest first."""
    wanted = {"idempotency_key": idempotency_key, "reference": reference}
    return JSONResponse(
        await gateway_of(request).database.read(lambda db: books.list_charges(db, time.time(), limit, cursor, **wanted))
    )


@router.get(
    "/charges/{id}",
    tags=["charges"],
    summary="Get a charge",
    response_model=schemas.Charge,
    responses=_rejections(404),
)
async def read_charge(id: str, request: Request) -> Response:
    """The current state of the charge."""
    return JSONResponse(await _charge(request, id))


@_creates("/charges/{id}/capture", "charges", "Capture an authorised charge", schemas.Charge)
async def capture_charge(id: str, body: schemas.CaptureIn, key: Key, request: Request) -> Response:
    """Captures it in full or in part, once. The rest is released."""
    return _created(await _write(request, books.capture_charge, id, body, key))


@_creates("/charges/{id}/cancel", "charges", "Cancel a charge that was not captured", schemas.Charge)
async def cancel_charge(id: str, key: Key, request: Request) -> Response:
    """Voids a charge that is authorised, or that waits for its customer's confirmation."""
    return _created(await _write(request, books.cancel_charge, id, key))


@_creates("/charges/{id}/refunds", "refunds", "Refund a charge", schemas.Refund)
async def make_refund(id: str, body: schemas.RefundIn, key: Key, request: Request) -> Response:
    """Refunds the charge in full or in part. All its refunds together can't exceed the captured amount."""
    return _created(await _write(request, books.make_refund, id, body, key, request.headers.get("traceparent")))


@router.get("/refunds", tags=["refunds"], summary="List refunds", response_model=schemas.Refunds)
async def list_refunds(
    request: Request,
    idempotency_key: str | None = None,
    charge_id: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Newest first."""
    wanted = {"idempotency_key": idempotency_key, "charge_id": charge_id}
    return JSONResponse(
        await gateway_of(request).database.read(lambda db: books.list_refunds(db, time.time(), limit, cursor, **wanted))
    )


@router.get("/books", tags=["books"], summary="Get the books", response_model=schemas.Books)
async def read_books(
    request: Request, limit: Limit = 100, charges_cursor: Cursor = None, refunds_cursor: Cursor = None
) -> Response:
    """For reconciliation. Totals are computed from the rows, in the same transaction in which the pages are read."""

    def read(db: sqlite3.Connection) -> dict[str, Any]:
        now = time.time()
        db.execute("BEGIN")
        try:
            return {
                "totals": books.totals(db, now),
                "webhooks": webhooks.counts(db),
                "charges": books.list_charges(db, now, limit, charges_cursor),
                "refunds": books.list_refunds(db, now, limit, refunds_cursor),
            }
        finally:
            db.execute("COMMIT")

    return JSONResponse(await gateway_of(request).database.read(read))


customers = APIRouter(prefix="/confirmations", tags=["confirmations"])
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Confirm a payment</title>
<h1>Confirm a payment</h1><p>{amount} {currency} (minor units): <strong>{status}</strong></p>
<form method="post" action="/confirmations/{id}/confirm"><button>Confirm</button></form>
<form method="post" action="/confirmations/{id}/reject"><button>Reject</button></form></html>"""


@customers.get(
    "/{id}", summary="Get the page of a confirmation", response_class=HTMLResponse, responses=_rejections(404)
)
async def show_confirmation(id: str, request: Request) -> Response:
    """The page that `next_action` links to. It needs no credentials, since its address can't be guessed."""
    return HTMLResponse(PAGE.format(**await _charge(request, id)))


@customers.post("/{id}/{answer}", status_code=303, summary="Confirm or reject a charge", responses=_rejections(404))
async def answer_confirmation(id: str, answer: Literal["confirm", "reject"], request: Request) -> Response:
    """Stores the answer, if it is the first, and redirects to the page."""
    await _write(request, books.answer_for_customer, id, answer == "confirm")
    return RedirectResponse(f"/confirmations/{id}", 303)


health = APIRouter(prefix="/health", tags=["health"])


@health.get("/live", summary="Check that the process runs")
async def live() -> dict[str, str]:
    return {"status": "ok"}


@health.get("/ready", summary="Check that the books can be written and webhooks go out")
async def ready(request: Request) -> dict[str, str]:
    gateway = gateway_of(request)
    if gateway.delivering.done():
        raise Rejected(503, "not-ready", "No webhooks are being delivered.")
    try:
        await asyncio.wait_for(gateway.database.write(lambda _: None), timeout=5)
    except TimeoutError:
        raise Rejected(503, "not-ready", "The books take no writes.") from None
    return {"status": "ok"}


async def _write(request: Request, change: Callable[..., books.Made], *arguments: Any) -> books.Made:
    """Runs a change of the books, and wakes the deliverer if its webhook is due earlier than others."""
    gateway = gateway_of(request)
    made = await gateway.database.write(lambda db: change(db, *arguments, now=time.time(), settings=gateway.settings))
    if made.new:
        gateway.deliverer.due(made.due_at)
    return made


def _created(made: books.Made) -> Response:
    return JSONResponse(made.body, 201, None if made.new else {"Idempotent-Replayed": "true"})


def _charge(request: Request, id: str) -> Awaitable[dict[str, Any]]:
    return gateway_of(request).database.read(lambda db: books.charge_body(books.find_charge(db, id), time.time()))


async def _close_without_response(request: Request) -> Response:
    """Closes the connection without a response, although the charge is stored."""
    request.scope["sandbox.hang_up"]()
    while (await request.receive())["type"] != "http.disconnect":
        continue
    return Response()  # not sent, since the connection is closed
