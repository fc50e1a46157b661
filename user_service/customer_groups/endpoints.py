"""Customer groups and their members over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed
from user_service.audit.endpoints import acting
from user_service.audit.models import Actor
from user_service.customer_groups import queries, use_cases
from user_service.customer_groups.models import CustomerGroupExists, TooManyCustomerGroups
from user_service.customer_groups.schemas import CustomerGroupIn, CustomerGroupOut, MemberOut

router = Router(prefix="/customer-groups", tags=["customer groups"])

Manager = Annotated[Actor, acting("customer-groups:manage")]


@router.get("", summary="List customer groups")
async def list_groups(page: Paged, tx: Session, _: Manager) -> Page[CustomerGroupOut]:
    """All groups, sorted by name."""
    return page.of(await queries.page(tx, page.position), CustomerGroupOut.of)


@router.post("", status_code=201, summary="Create a customer group", responses=problems(CustomerGroupExists))
async def create(body: CustomerGroupIn, tx: Session, manager: Manager, response: Response) -> CustomerGroupOut:
    """Creates a group without members. Prices and promotions refer to it by its id."""
    group = await use_cases.create(tx, manager, body.name)
    response.headers["Location"] = f"/customer-groups/{group.id}"
    return tagged(response, CustomerGroupOut.of(group), group.version)


@router.get("/{group_id}", summary="Get a customer group", responses=problems(NotFound))
async def read(group_id: UUID, tx: Session, _: Manager, response: Response) -> CustomerGroupOut:
    """The group with an `ETag` for a later change."""
    group = await use_cases.read(tx, group_id)
    return tagged(response, CustomerGroupOut.of(group), group.version)


@router.patch(
    "/{group_id}",
    summary="Change a customer group",
    responses=problems(NotFound, PreconditionFailed, CustomerGroupExists),
)
async def change(
    group_id: UUID, body: CustomerGroupIn, expected: IfMatch, tx: Session, manager: Manager, response: Response
) -> CustomerGroupOut:
    """Changes the name. What refers to the group by its id is not affected."""
    group = await use_cases.change(tx, manager, group_id, expected, body.name)
    return tagged(response, CustomerGroupOut.of(group), group.version)


@router.delete(
    "/{group_id}", status_code=204, summary="Delete a customer group", responses=problems(NotFound, PreconditionFailed)
)
async def delete(group_id: UUID, expected: IfMatch, tx: Session, manager: Manager) -> None:
    """The group disappears at once, and its name is free again. Its members leave it within a minute or, if there are
    thousands, some minutes; each of them is published to the other services."""
    await use_cases.delete(tx, manager, group_id, expected)


@router.get("/{group_id}/members", summary="List the members of a customer group", responses=problems(NotFound))
async def list_members(group_id: UUID, page: Paged, tx: Session, _: Manager) -> Page[MemberOut]:
    """The accounts in the group, the oldest account first."""
    await use_cases.read(tx, group_id)
    return page.of(await queries.members(tx, group_id, page.position), MemberOut.of_account)


@router.put(
    "/{group_id}/members/{user_id}",
    status_code=204,
    summary="Add a member to a customer group",
    responses=problems(NotFound, TooManyCustomerGroups),
)
async def add_member(group_id: UUID, user_id: UUID, tx: Session, manager: Manager) -> None:
    """The other services get the account's groups with an event, so that orders have the group's prices a moment later.
    If the account is a member already, nothing changes."""
    await use_cases.add_member(tx, manager, group_id, user_id)


@router.delete(
    "/{group_id}/members/{user_id}",
    status_code=204,
    summary="Remove a member from a customer group",
    responses=problems(NotFound),
)
async def remove_member(group_id: UUID, user_id: UUID, tx: Session, manager: Manager) -> None:
    """If the account is no member, nothing changes."""
    await use_cases.remove_member(tx, manager, group_id, user_id)
