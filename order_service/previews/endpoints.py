"""Previews of promotions over HTTP."""

from typing import Annotated

from fastapi import Request

from order_service.previews import use_cases
from order_service.previews.schemas import PreviewIn, PreviewOut
from order_service.pricing.quotes import ProductUnavailable
from order_service.settings import Settings
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound
from service_kit.security import Principal, Requires

router = Router(prefix="/promotions", tags=["promotions"])


@router.post("/preview", summary="Preview a promotion", responses=problems(NotFound, ProductUnavailable))
async def preview_promotion(
    body: PreviewIn, tx: Session, _: Annotated[Principal, Requires("promotions:manage")], request: Request
) -> PreviewOut:
    """Prices a cart, or the last orders at the unit prices that they were placed at, without and with the promotion, by
    the rules of today, as if it were active. Its limits don't count, nor do the groups of the customers of past orders.
    Nothing is stored."""
    return await use_cases.preview(tx, body, request.app.state.runtime.resource(Settings).default_currency)
