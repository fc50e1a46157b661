"""One's own sessions over HTTP."""

from typing import Annotated
from uuid import UUID

from service_kit.clock import utcnow
from service_kit.database import Tx
from service_kit.http.answers import problems
from service_kit.http.pagination import Page, Paged
from service_kit.http.router import Router
from service_kit.problems import NotFound
from service_kit.security import Principal, Requires
from user_service.audit.endpoints import FromWhere
from user_service.sessions import queries, use_cases
from user_service.sessions.schemas import SessionOut

router = Router(prefix="/auth/sessions", tags=["sessions"])

Writer = Annotated[Principal, Requires("users:write")]


@router.get("", summary="Where I am signed in")
async def list_sessions(page: Paged, tx: Tx, who: Annotated[Principal, Requires("users:read")]) -> Page[SessionOut]:
    """Newest first."""
    found = await queries.of_account(tx, who.user_id, utcnow(), page.position)
    return page.of(found, lambda session: SessionOut.of(session, who.session_id))


@router.delete("", status_code=204, summary="Sign out everywhere else")
async def end_others(tx: Tx, origin: FromWhere, who: Writer) -> None:
    """Ends all my sessions but this one. Their access tokens end by themselves, within ten minutes."""
    await use_cases.end_others(tx, origin.by(who), who.user_id)


@router.delete("/{session_id}", status_code=204, summary="Sign out there", responses=problems(NotFound))
async def end(session_id: UUID, tx: Tx, origin: FromWhere, who: Writer) -> None:
    """Ends one of my sessions; its access token ends by itself, within ten minutes."""
    await use_cases.end(tx, origin.by(who), who.user_id, session_id)
