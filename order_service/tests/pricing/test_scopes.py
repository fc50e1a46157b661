"""The lines that a promotion is for."""

from dataclasses import replace
from uuid import uuid4

from order_service.catalogue.models import NO_FACTS
from order_service.pricing.promotions import Percent, Scope, Stage
from order_service.tests.pricing.goods import priced, product, promotion


def test_a_promotion_for_a_family_reduces_its_products_alone() -> None:
    family = uuid4()
    mug = product(1000)
    apron = replace(product(2000), facts=replace(NO_FACTS, family_id=family))
    sale = promotion(Percent(100_000), Stage.LINES, Scope(family_ids=frozenset({family})))
    found = priced([(mug, 1), (apron, 2)], promotions=[sale])
    assert [line.discount for line in found.lines] == [0, 400]
