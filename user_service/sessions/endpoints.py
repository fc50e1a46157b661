"""Sessions over HTTP: the caller's own, and those of an account for staff."""

from typing import Annotated
from uuid import UUID

from service_kit.clock import utcnow
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, not_found
from service_kit.security import Principal, Requires
from user_service.audit.endpoints import acting
from user_service.audit.models import Actor
from user_service.roles.models import NotYoursToGive
from user_service.sessions import queries, use_cases
from user_service.sessions.models import UserSession
from user_service.sessions.schemas import SessionOut

router = Router(tags=["sessions"])

Writer = Annotated[Actor, acting("users:write")]
Manager = Annotated[Actor, acting("sessions:manage")]


@router.get("/auth/sessions", summary="List my sessions")
async def list_sessions(
    page: PagedByTime, tx: Session, who: Annotated[Principal, Requires("users:read")]
) -> Page[SessionOut]:
    """Newest first."""
    found = await queries.of_account(tx, who.user_id, utcnow(), page.position)
    return page.of(found, lambda session: SessionOut.of(session, who.session_id))


@router.delete("/auth/sessions", status_code=204, summary="End all my other sessions")
async def end_others(tx: Session, me: Writer) -> None:
    """Ends all sessions but the present one. Their tokens are rejected as soon as the services receive the event."""
    await use_cases.end_others(tx, me)


@router.delete(
    "/auth/sessions/{session_id}", status_code=204, summary="End one of my sessions", responses=problems(NotFound)
)
async def end(session_id: UUID, tx: Session, me: Writer) -> None:
    """Ends one session of the caller. Its access tokens are rejected as soon as the services receive the event."""
    await use_cases.end(tx, me, me.id, session_id) or not_found(UserSession, session_id)


@router.get("/users/{user_id}/sessions", summary="List the sessions of an account")
async def list_of_account(user_id: UUID, page: PagedByTime, tx: Session, manager: Manager) -> Page[SessionOut]:
    """The sessions of the account, newest first; an empty list if there is no such account."""
    found = await queries.of_account(tx, user_id, utcnow(), page.position)
    return page.of(found, lambda session: SessionOut.of(session, manager.session_id))


@router.delete(
    "/users/{user_id}/sessions",
    status_code=204,
    summary="End all sessions of an account",
    responses=problems(NotFound, NotYoursToGive),
)
async def end_of_account(user_id: UUID, tx: Session, manager: Manager) -> None:
    """For an account that was taken over, or a lost device. The account's access tokens are rejected as soon as the
    services receive the event; its owner can sign in again. Callers can't end the sessions of accounts that have
    permissions which they lack."""
    await use_cases.end_by_staff(tx, manager, user_id)
