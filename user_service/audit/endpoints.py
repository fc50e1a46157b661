"""The audit log over HTTP, and the dependencies that find out who sent a request, and from where, for its entries."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request

from service_kit.audit.endpoints import Filtered
from service_kit.http.client import client_address
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.security import Principal, Requires
from user_service.audit import queries
from user_service.audit.devices import COOKIE, SECURE_COOKIE
from user_service.audit.models import Action, Actor, Origin
from user_service.audit.schemas import AccountAuditEntryOut

USER_AGENT_LENGTH = 300

router = Router(prefix="/audit-log", tags=["audit"])


async def origin_of(request: Request) -> Origin:
    agent = request.headers.get("User-Agent", "")[:USER_AGENT_LENGTH].replace("\0", "")
    # Browsers that signed in before the prefix was introduced have the cookie under its plain name.
    device = request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)
    return Origin(client_address(request), agent or None, device=device)


FromWhere = Annotated[Origin, Depends(origin_of)]


def acting(*permissions: str) -> Any:
    """A dependency that provides the caller as an `Actor`. Their token must have these permissions."""

    async def actor(origin: FromWhere, who: Annotated[Principal, Requires(*permissions)]) -> Actor:
        return origin.by(who)

    return Depends(actor)


@router.get("", summary="List audit entries")
async def search(
    page: PagedByTime,
    tx: Session,
    _: Annotated[Principal, Requires("audit-log:read")],
    filters: Filtered,
    subject_id: Annotated[UUID | None, Query(description="only entries about this account")] = None,
    action: Action | None = None,
) -> Page[AccountAuditEntryOut]:
    """Who did what to which account, API client or role, from where, and when. Newest first. Entries can't be changed,
    and are kept when an account is erased, since they contain ids and no names."""
    found = await queries.search(tx, page.position, subject_id=subject_id, action=action, **vars(filters))
    return page.of(found, AccountAuditEntryOut.of)
