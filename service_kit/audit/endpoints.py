"""The audit log over HTTP."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from service_kit.audit import queries
from service_kit.audit.schemas import AuditEntryOut
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.security.guard import Requires
from service_kit.security.principal import Principal
from service_kit.times import Time

LONGEST_NAME = 200

router = Router(prefix="/audit-log", tags=["audit"])


@dataclass
class Filters:
    """The filters of the list, the same in every service."""

    actor_id: Annotated[UUID | None, Query(description="only changes by this account or API client")] = None
    resource: Annotated[str | None, Query(max_length=LONGEST_NAME, description="only changes of such resources")] = None
    resource_id: Annotated[str | None, Query(max_length=LONGEST_NAME, description="only of the one with this id")] = (
        None
    )
    since: Annotated[Time | None, Query(description="only changes at this time or later")] = None
    until: Annotated[Time | None, Query(description="only changes before this time")] = None


Filtered = Annotated[Filters, Depends()]


@router.get("", summary="List audit entries")
async def list_audit_entries(
    page: PagedByTime, tx: Session, filters: Filtered, _: Annotated[Principal, Requires("audit-log:read")]
) -> Page[AuditEntryOut]:
    """The changes that members of staff and API clients made: who changed what, when, and each field before and after.
    Newest first. Entries can't be changed or deleted. They stay when an account is erased, and contain no names."""
    return page.of(await queries.search(tx, page.position, **vars(filters)), AuditEntryOut.of)
