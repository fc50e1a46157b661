"""Preferences over HTTP."""

from typing import Annotated

from fastapi import Response

from notification_service.preferences import queries, use_cases
from notification_service.preferences.schemas import PreferencesIn, PreferencesOut
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import PreconditionFailed
from service_kit.security import Principal, Requires

router = Router(prefix="/preferences", tags=["preferences"])


@router.get("", summary="Get my preferences")
async def read_preferences(
    response: Response, tx: Session, who: Annotated[Principal, Requires("notifications:read", of_person=True)]
) -> PreferencesOut:
    """Every kind of notification by every channel. Preferences don't affect the inbox, which has all notifications."""
    found = await queries.find(tx, who.user_id)
    return tagged(response, PreferencesOut.of(found), found.version if found else 0)


@router.put("", summary="Replace my preferences", responses=problems(PreconditionFailed))
async def replace_preferences(
    body: PreferencesIn,
    response: Response,
    tx: Session,
    expected: IfMatch,
    who: Annotated[Principal, Requires("notifications:write", of_person=True)],
) -> PreferencesOut:
    """Replaces all preferences: a kind that is not listed is enabled. They apply to notifications from now on."""
    kept = await use_cases.replace(tx, who.user_id, body, expected)
    return tagged(response, PreferencesOut.of(kept), kept.version)
