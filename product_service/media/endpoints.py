"""Images over HTTP: uploads, what products and families show, and the files themselves."""

import asyncio
import hashlib
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated, Any
from uuid import UUID

from fastapi import Path as PathParameter
from fastapi import Query, Request, Response
from starlette.responses import RedirectResponse, StreamingResponse

from product_service.families import use_cases as families
from product_service.families.schemas import FamilyPage
from product_service.media import queries, use_cases
from product_service.media.models import (
    MediaInUse,
    MediaState,
    MediaTooLarge,
    MediaUnknown,
    MediaUnreadable,
    object_key,
)
from product_service.media.resources import MAX_UPLOADS, Images
from product_service.media.schemas import ImagesIn, MediaOut
from product_service.media.use_cases import Chosen, Received
from product_service.products import use_cases as products
from product_service.products.endpoints import rendered
from product_service.products.schemas import ProductOut
from product_service.settings import Settings
from service_kit.database.keyset import InvalidCursor
from service_kit.http.capacity import Overloaded, waiting
from service_kit.http.etag import NOT_MODIFIED, IfMatch, IfNoneMatch, is_known
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session, database_of
from service_kit.http.uploads import received, streams_body
from service_kit.problems import NotFound, PreconditionFailed, Unavailable, not_found
from service_kit.security import PUBLIC, Principal, Requires

router = Router(prefix="/media", tags=["media"])
owners = Router(tags=["media"])

Manager = Annotated[Principal, Requires("products:manage")]
Reader = Annotated[Principal, Requires("products:read:any")]
KINDS = {f"image/{kind}": kind for kind in ("jpeg", "png", "webp", "gif")}
ANY = "application/octet-stream"
_FILE = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD = {"requestBody": {"required": True, "content": dict.fromkeys((*KINDS, ANY), _FILE)}}
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {f"image/{format}": _FILE for format in ("avif", "webp", "jpeg", "png")}},
    307: {"description": "this size does not exist yet: the original is there instead"},
}
_KNOWN: dict[int | str, dict[str, Any]] = {200: {"model": MediaOut, "description": "this file was uploaded before"}}
_FOREVER = "public, max-age=31536000, immutable"


@router.post(
    "",
    status_code=201,
    summary="Add an image",
    openapi_extra=_UPLOAD,
    responses={**_KNOWN, **problems(MediaTooLarge, MediaUnreadable, Overloaded, Unavailable)},
)
@streams_body
async def upload_media(request: Request, response: Response, _: Manager) -> MediaOut:
    """The body is the file itself: a JPEG, PNG, WebP or GIF, of which the first picture counts. It is decoded and
    encoded again, upright and at most 2560 pixels wide and high, so that nothing but its pixels is kept: no place, no
    camera, no comment. `PUT /products/{product_id}/images` puts it on a product. The same file twice is one image. What
    nothing shows is deleted after a week, unless the shop has set another time."""
    images = _images(request)
    if images.uploads >= MAX_UPLOADS:
        raise Overloaded(retry_after=1)
    images.uploads += 1
    try:
        with NamedTemporaryFile(prefix="upload-") as file:
            taken = await _receive(request, file)
            media, is_new = await use_cases.upload(database_of(request), images.storage, images.decoder, taken)
    finally:
        images.uploads -= 1
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/media/{media.id}"
    return MediaOut.of_media(media)


@router.get("", summary="List images", responses=problems(InvalidCursor))
async def list_media(
    tx: Session,
    page: PagedByTime,
    _: Reader,
    state: Annotated[MediaState | None, Query(description="such as `failed`: of these, only originals exist")] = None,
) -> Page[MediaOut]:
    """All that were uploaded, the newest first."""
    return page.of(await queries.page(tx, page.position, state=state), MediaOut.of_media)


@router.get("/{media_id}", summary="Get an image's state", responses=problems(NotFound))
async def read_media(media_id: UUID, tx: Session, _: Reader) -> MediaOut:
    """`ready` once all sizes and formats exist. Until then, and if they can't be made (`failed`, with `error`), their
    paths lead to the original. A failed one is tried again if the same file is uploaded."""
    return MediaOut.of_media(await queries.read(tx, media_id) or not_found("image", media_id))


@router.delete("/{media_id}", status_code=204, summary="Delete an image", responses=problems(NotFound, MediaInUse))
async def delete_media(media_id: UUID, tx: Session, _: Manager) -> None:
    """Only an image that no product and no family shows can be deleted. Caches may serve its files for up to a year."""
    await use_cases.delete(tx, media_id)


@router.get(
    "/{sha256}/{name}",
    summary="Get the file of an image",
    response_class=StreamingResponse,
    openapi_extra=PUBLIC,
    responses={**_FILES, **problems(NotFound, Unavailable), **NOT_MODIFIED},
)
async def read_file(
    sha256: Annotated[str, PathParameter(pattern="^[0-9a-f]{64}$")],
    name: Annotated[str, PathParameter(pattern=r"^(original|[1-9][0-9]{1,3})\.(avif|webp|jpeg|png)$")],
    request: Request,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """`sizes` of products and families have the paths. A file never changes, so caches may keep it for a year."""
    size, _, format = name.partition(".")
    tag = f"{sha256}.{name}"
    headers = {
        "ETag": f'"{tag}"',
        "Cache-Control": _FOREVER,
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",  # pages of the shop's other hosts show it
    }
    async with database_of(request).connection() as db:
        media = await queries.served(db, sha256)
    if media is None or media.state == MediaState.STORING:
        not_found("image", sha256)
    if is_known(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    stored = await _images(request).storage.open(object_key(media.id, size, format))
    if stored is not None:
        headers["Content-Length"] = str(stored.size)
        return StreamingResponse(stored.chunks, headers=headers, media_type=f"image/{format}")
    if size == "original":
        not_found("image", f"{sha256} as {format}")
    headers = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "cross-origin"}
    return RedirectResponse(f"/media/{sha256}/original.{media.format}", headers=headers)


@owners.put(
    "/products/{product_id}/images",
    summary="Replace the images of a product",
    response_model=ProductOut,
    responses=problems(NotFound, MediaUnknown, PreconditionFailed),
)
async def put_product_images(product_id: UUID, body: ImagesIn, expected: IfMatch, tx: Session, _: Manager) -> Response:
    """The list adds, removes and sorts images, and has their texts. If anything differs, the product gets
    a new version; nothing is published, since other services know no images."""
    await use_cases.put_on_product(tx, product_id, expected, _chosen(body))
    return rendered(await products.shown(tx, product_id))


@owners.put(
    "/families/{family_id}/images",
    summary="Replace the images of a family",
    response_model=FamilyPage,
    responses=problems(NotFound, MediaUnknown, PreconditionFailed),
)
async def put_family_images(family_id: UUID, body: ImagesIn, expected: IfMatch, tx: Session, _: Manager) -> Response:
    """As for a product. The products of the family keep images of their own."""
    await use_cases.put_on_family(tx, family_id, expected, _chosen(body))
    return rendered(await families.shown(tx, family_id))


def _images(request: Request) -> Images:
    found: Images = request.app.state.runtime.resource(Images)
    return found


def _chosen(body: ImagesIn) -> list[Chosen]:
    return [Chosen(each.media_id, each.alt) for each in body.images]


async def _receive(request: Request, file: IO[bytes]) -> Received:
    """Writes the body to the file. While it arrives, the request takes none of the capacity of others.

    Raises: MediaTooLarge, MediaUnreadable, Overloaded.
    """
    settings: Settings = request.app.state.runtime.resource(Settings)
    kind = request.headers.get("content-type", ANY).partition(";")[0].strip().lower()
    if kind not in (*KINDS, ANY):
        raise MediaUnreadable(reason=f"it is sent as {kind[:100]}")
    too_large = MediaTooLarge(reason="its file is too large", **settings.media_limits)
    digest = hashlib.sha256()
    with waiting(request) as may_wait:
        if not may_wait:
            raise Overloaded(retry_after=1)
        async for part in received(request, settings.media_max_bytes, too_large):
            digest.update(part)
            await asyncio.to_thread(file.write, part)
    file.flush()
    return Received(Path(file.name), digest.hexdigest(), KINDS.get(kind))
