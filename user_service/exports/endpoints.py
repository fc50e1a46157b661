"""What people may ask for of their own data."""

from typing import Annotated

from fastapi import Depends

from service_kit.database import Tx
from service_kit.http.export import export_router
from service_kit.http.router import Router
from service_kit.security import Principal, Requires
from user_service.audit.endpoints import FromWhere
from user_service.audit.models import Action
from user_service.audit.use_cases import record
from user_service.exports.queries import SECTIONS


async def write_down(tx: Tx, origin: FromWhere, who: Annotated[Principal, Requires("users:read")]) -> None:
    """Who takes everything along may be a thief."""
    record(tx, origin.by(who), Action.DATA_EXPORTED, who.user_id)


router = Router(dependencies=[Depends(write_down)])
router.include_router(export_router(SECTIONS))
