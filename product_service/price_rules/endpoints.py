"""Price rules over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from contracts.money import Money
from product_service.price_rules import queries, use_cases
from product_service.price_rules.models import FloorAboveCeiling, PriceRule, RuleWithoutEffect
from product_service.price_rules.schemas import PreviewedOut, PreviewIn, PreviewPage, PriceRuleIn, PriceRuleOut, StepOut
from product_service.price_rules.use_cases import Planned
from product_service.products.models import Product
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed, not_found
from service_kit.security import Principal, Requires

router = Router(prefix="/price-rules", tags=["price rules"])

Manager = Annotated[Principal, Requires("prices:manage")]


@router.post(
    "", status_code=201, summary="Create a price rule", responses=problems(RuleWithoutEffect, FloorAboveCeiling)
)
async def create_price_rule(body: PriceRuleIn, tx: Session, _: Manager, response: Response) -> PriceRuleOut:
    """The rule applies at once: a job sets the prices of its products, where no price that staff scheduled counts.
    `POST /price-rules/preview` shows what it would do."""
    rule = await use_cases.create(tx, body.columns())
    response.headers["Location"] = f"/price-rules/{rule.id}"
    return tagged(response, PriceRuleOut.of_rule(rule), rule.version)


@router.get("", summary="List price rules", responses=problems(InvalidCursor))
async def list_price_rules(tx: Session, page: Paged, _: Manager) -> Page[PriceRuleOut]:
    """In the sequence of their creation."""
    return page.of(await queries.page(tx, page.position), PriceRuleOut.of_rule)


@router.post("/preview", summary="Preview a price rule", responses=problems(RuleWithoutEffect, FloorAboveCeiling))
async def preview_price_rule(body: PreviewIn, tx: Session, _: Manager) -> PreviewPage:
    """What the rules would want for the products of the catalogue, page by page, if this rule were among them now. The
    job wants the same; it changes the price of a product at most once in the rule's cooldown. Nothing is stored."""
    found, last = await use_cases.preview(tx, body.rule.columns(), body.replaces, body.after, body.limit)
    stored = {rule.id for rule in await queries.rules(tx)}
    items = [_previewed(product, planned, stored) for product, planned in found if _is_shown(planned)]
    return PreviewPage(items=items, next=last)


@router.get("/{rule_id}", summary="Get a price rule", responses=problems(NotFound))
async def read_price_rule(rule_id: UUID, tx: Session, _: Manager, response: Response) -> PriceRuleOut:
    """One rule, with an `ETag` for a later change."""
    rule = await queries.find(tx, rule_id) or not_found(PriceRule, rule_id)
    return tagged(response, PriceRuleOut.of_rule(rule), rule.version)


@router.put(
    "/{rule_id}",
    summary="Replace a price rule",
    responses=problems(NotFound, PreconditionFailed, RuleWithoutEffect, FloorAboveCeiling),
)
async def replace_price_rule(
    rule_id: UUID, body: PriceRuleIn, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> PriceRuleOut:
    """An absent field gets its default. The prices of its products follow."""
    rule = await use_cases.replace(tx, rule_id, expected, body.columns())
    return tagged(response, PriceRuleOut.of_rule(rule), rule.version)


@router.delete(
    "/{rule_id}", status_code=204, summary="Delete a price rule", responses=problems(NotFound, PreconditionFailed)
)
async def delete_price_rule(rule_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """The prices that it has set end, at most a cooldown of 15 minutes after they began; they keep their reasons."""
    await use_cases.delete(tx, rule_id, expected)


def _is_shown(planned: Planned) -> bool:
    return planned.plan.wanted is not None or planned.plan.blocked


def _previewed(product: Product, planned: Planned, stored: set[UUID]) -> PreviewedOut:
    wanted, currency = planned.plan.wanted, product.price_currency
    return PreviewedOut(
        product_id=product.id,
        sku=product.sku,
        name=product.name,
        base=Money(amount=product.price_amount, currency=currency),
        wanted=Money(amount=wanted.amount, currency=currency) if wanted else None,
        rule_id=wanted.rule.id if wanted and wanted.rule.id in stored else None,
        why=[StepOut(**step._asdict()) for step in wanted.why] if wanted else [],
        blocked=planned.plan.blocked,
    )
