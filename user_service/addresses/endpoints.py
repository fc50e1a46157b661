"""The caller's own addresses over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed
from service_kit.security import Principal, Requires
from user_service.addresses import queries, use_cases
from user_service.addresses.models import TooManyAddresses
from user_service.addresses.schemas import AddressIn, AddressOut

router = Router(prefix="/users/me/addresses", tags=["addresses"])

Reader = Annotated[Principal, Requires("users:read")]
Writer = Annotated[Principal, Requires("users:write")]


@router.get("", summary="List my addresses")
async def list_addresses(page: Paged, tx: Session, who: Reader) -> Page[AddressOut]:
    """The addresses of the caller's address book, the oldest first."""
    return page.of(await queries.of_account(tx, who.user_id, page.position), AddressOut.of)


@router.post("", status_code=201, summary="Add an address", responses=problems(NotFound, TooManyAddresses))
async def add(body: AddressIn, tx: Session, who: Writer, response: Response) -> AddressOut:
    """Adds an address to the caller's address book."""
    address = await use_cases.add(tx, who.user_id, body.model_dump())
    response.headers["Location"] = f"/users/me/addresses/{address.id}"
    return tagged(response, AddressOut.of(address), address.version)


@router.get("/{address_id}", summary="Get an address", responses=problems(NotFound))
async def read(address_id: UUID, tx: Session, who: Reader, response: Response) -> AddressOut:
    """One address of the caller's address book, with an `ETag` for a later change."""
    address = await use_cases.read(tx, who.user_id, address_id)
    return tagged(response, AddressOut.of(address), address.version)


@router.put("/{address_id}", summary="Replace an address", responses=problems(NotFound, PreconditionFailed))
async def replace(
    address_id: UUID, body: AddressIn, expected: IfMatch, tx: Session, who: Writer, response: Response
) -> AddressOut:
    """Replaces all fields. Orders that were placed with the address keep their copy of it."""
    address = await use_cases.replace(tx, who.user_id, address_id, expected, body.model_dump())
    return tagged(response, AddressOut.of(address), address.version)


@router.delete("/{address_id}", status_code=204, summary="Delete an address", responses=problems(NotFound))
async def remove(address_id: UUID, tx: Session, who: Writer) -> None:
    """Removes it from the address book. Orders that were placed with the address keep their copy of it."""
    await use_cases.remove(tx, who.user_id, address_id)
