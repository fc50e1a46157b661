"""Imports and exports over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from product_service.imports import export, queries, use_cases
from product_service.imports.export import TooManyColumns
from product_service.imports.models import (
    Format,
    Import,
    ImportEnded,
    ImportMediaTypeUnknown,
    ImportTooLarge,
    ImportUnreadable,
    Kind,
    Mode,
    OnError,
    State,
)
from product_service.imports.schemas import ImportOut
from product_service.settings import Settings
from service_kit.audit import actor
from service_kit.database.keyset import InvalidCursor
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session, database_of
from service_kit.http.streams import streamed
from service_kit.http.uploads import received, streams_body
from service_kit.problems import Forbidden, NotFound, not_found
from service_kit.security import Principal, Requires

router = Router(tags=["imports"])

Manager = Annotated[Principal, Requires("products:manage")]
Reader = Annotated[Principal, Requires("products:read:any")]
ChosenFormat = Annotated[Format, Query(alias="format")]
MEDIA_TYPES = {Format.CSV: "text/csv", Format.JSONL: "application/jsonl"}
_TEXT = {"schema": {"type": "string"}}
_CONTENT = dict.fromkeys(MEDIA_TYPES.values(), _TEXT)
_FILE: dict[int | str, dict[str, Any]] = {200: {"content": _CONTENT, "description": "a file in UTF-8"}}
_BINARY = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES.values()}
_UPLOAD = {"requestBody": {"required": True, "content": _BINARY}}


@router.post(
    "/imports",
    status_code=202,
    summary="Import products or prices",
    openapi_extra=_UPLOAD,
    responses=problems(ImportTooLarge, ImportMediaTypeUnknown, ImportUnreadable, Forbidden),
)
@streams_body
async def start_import(
    request: Request,
    response: Response,
    who: Manager,
    kind: Annotated[Kind, Query(description="`prices`: scheduled prices; needs `prices:manage`")] = Kind.PRODUCTS,
    mode: Annotated[Mode, Query(description="`create`: a row of an existing SKU fails; `update`: of a new one")] = (
        Mode.UPSERT
    ),
    on_error: Annotated[OnError, Query(description="whether a row that fails stops the import")] = OnError.CONTINUE,
    create_categories: Annotated[
        bool, Query(description="whether a missing path of categories is created; needs `categories:manage`")
    ] = False,
) -> ImportOut:
    """The body is the file in UTF-8: CSV with a header, or a JSON object in each line. Rows are found by `sku`. An
    absent column leaves a field as it is, an empty cell (JSON: null) removes it. The file is stored, and then worked
    through in batches of 500 rows, one import of each kind at a time: `GET /imports/{import_id}` shows how far it has
    come."""
    for needed in _needed(kind, create_categories=create_categories):
        if not who.may(needed):
            raise Forbidden(permission=needed)
    settings: Settings = request.app.state.runtime.resource(Settings)
    wanted = Import(
        kind=kind,
        format=_format(request),
        mode=mode,
        on_error=on_error,
        creates_categories=create_categories,
        actor=actor.as_setting(),
    )
    parts = received(request, settings.import_max_bytes, ImportTooLarge(limit=settings.import_max_bytes))
    stored = await use_cases.receive(database_of(request), wanted, parts, settings.locales)
    response.headers["Location"] = f"/imports/{stored.id}"
    return ImportOut.of(stored)


def _needed(kind: Kind, *, create_categories: bool) -> list[str]:
    """The permissions that are needed besides `products:manage`."""
    return [
        *(["prices:manage"] if kind == Kind.PRICES else []),
        *(["categories:manage"] if create_categories else []),
    ]


def _format(request: Request) -> Format:
    """Raises: ImportMediaTypeUnknown."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    for format, media_type in MEDIA_TYPES.items():
        if given == media_type:
            return format
    raise ImportMediaTypeUnknown


@router.get("/imports", summary="List imports", responses=problems(InvalidCursor))
async def list_imports(
    tx: Session, page: PagedByTime, _: Manager, kind: Kind | None = None, state: State | None = None
) -> Page[ImportOut]:
    """The newest first. Those that have ended are deleted after 30 days."""
    return page.of(await queries.page(tx, page.position, kind=kind, state=state), ImportOut.of)


@router.get("/imports/{import_id}", summary="Get an import", responses=problems(NotFound))
async def read_import(import_id: UUID, tx: Session, _: Manager) -> ImportOut:
    """How many rows are done, and what became of them. It has ended when it is `done`, `cancelled` or `failed`."""
    return ImportOut.of(await queries.find(tx, import_id) or not_found(Import, import_id))


@router.post("/imports/{import_id}/cancel", summary="Cancel an import", responses=problems(NotFound, ImportEnded))
async def cancel_import(import_id: UUID, tx: Session, who: Manager) -> ImportOut:
    """The batch that is being stored is finished, and no further row is. What was stored stays."""
    return ImportOut.of(await use_cases.cancel(tx, import_id, who.user_id))


@router.get(
    "/imports/{import_id}/failed-rows",
    summary="Get the rows that failed",
    response_class=StreamingResponse,
    responses={**_FILE, **problems(NotFound)},
)
async def read_failed_rows(import_id: UUID, request: Request, _: Manager) -> StreamingResponse:
    """A file of the same form, with the columns `error_row`, `error_column`, `error_code` and `error_message` before
    the others. Mend its rows and send it again: these columns are ignored."""
    database = database_of(request)
    async with database.session() as tx:
        wanted = await queries.find(tx, import_id) or not_found(Import, import_id)
    format = Format(wanted.format)
    return await streamed(export.failed_rows(database, wanted), f"failed-rows.{format}", MEDIA_TYPES[format])


@router.get(
    "/products/export",
    summary="Export products",
    response_class=StreamingResponse,
    responses={**_FILE, **problems(TooManyColumns)},
)
async def export_products(request: Request, _: Reader, format: ChosenFormat = Format.CSV) -> StreamingResponse:
    """All products with the columns of imports, by their ids. Amounts are integers in the currency's minor unit.
    Categories and families are named by their slugs. A text that a spreadsheet would execute begins with an
    apostrophe, which an import removes. The export is not of one moment: each part is as it is when it is read.
    Importing the file unchanged changes nothing."""
    locales = request.app.state.runtime.resource(Settings).locales
    chunks = export.products(database_of(request), format, locales)
    return await streamed(chunks, f"products.{format}", MEDIA_TYPES[format])


@router.get("/prices/export", summary="Export scheduled prices", response_class=StreamingResponse, responses={**_FILE})
async def export_prices(request: Request, _: Reader, format: ChosenFormat = Format.CSV) -> StreamingResponse:
    """All scheduled prices that apply now or later. Base prices are columns of the products' export."""
    return await streamed(export.prices(database_of(request), format), f"prices.{format}", MEDIA_TYPES[format])
