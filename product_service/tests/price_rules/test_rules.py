"""What price rules want, as pure functions."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from product_service.price_rules.models import FloorAboveCeiling, PriceRule, RuleWithoutEffect
from product_service.price_rules.rules import Priced, is_open, wanted

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)  # a Monday


def rule(**fields: Any) -> PriceRule:
    columns = {
        "scope": {},
        "time_window": {},
        "conditions": {},
        "currency": "GBP",
        "priority": 0,
        "cooldown_seconds": 900,
    }
    if not fields.keys() & {"change_bp", "change_amount"}:
        columns["change_bp"] = 1000
    return PriceRule(**{"name": "r1", **columns, **fields})


def product(**fields: Any) -> Priced:
    return Priced(**{"id": uuid4(), "status": "active", "amount": 1000, "currency": "GBP", "stock": 3, **fields})


def amount(of: Priced, *rules: PriceRule, now: datetime = NOW) -> int | None:
    found = wanted(of, rules, now)
    return found.amount if found else None


def test_the_case_of_the_design() -> None:
    scarce = rule(conditions={"stock_below": 5}, ceiling=1080, ending=99)
    found = wanted(product(), [scarce], NOW)
    assert found is not None
    assert found.why == [
        ("base price", 1000), ("rule r1: +10 % (3 left)", 1100), ("ceiling", 1080), ("ending not applied", 1080),
    ]  # fmt: skip
    assert found.amount == 1080


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"change_bp": 1250}, 1125),
        ({"change_bp": -1000}, 900),
        ({"change_bp": 1}, None),  # 1000.1 is 1000
        ({"change_bp": 5}, 1001),  # 1000.5 is rounded up
        ({"change_amount": -150}, 850),
        ({"change_amount": -5000}, 1),  # a price is never 0
        ({"change_bp": -5000, "floor": 700}, 700),
        ({"change_bp": 1000, "ending": 99}, 1099),
        ({"change_bp": 1000, "ending": 0}, 1100),
        ({"change_bp": -100, "ending": 99}, 999),
        ({"change_bp": -500, "ending": 49}, 949),
        ({"change_bp": 500, "ending": 49, "ceiling": 1048}, 1048),
        ({"change_bp": -500, "ending": 49, "floor": 950}, 950),
    ],
)
def test_effects_limits_and_endings(fields: dict[str, Any], expected: int | None) -> None:
    assert amount(product(), rule(**fields)) == expected


def test_the_rule_with_the_highest_priority_applies() -> None:
    low, high = rule(change_bp=-1000), rule(change_bp=500, priority=5, conditions={"stock_below": 5})
    assert amount(product(), low, high) == 1050
    assert amount(product(stock=5), low, high) == 900
    assert amount(product(stock=None), low, high) == 900, "a condition about unknown stock is not met"


def test_scopes() -> None:
    family, category, other = uuid4(), uuid4(), product()
    mine = product(family_id=family, category_path=frozenset({category, uuid4()}))
    for scope in (
        {"product_ids": [str(mine.id)]}, {"family_ids": [str(family)]}, {"category_ids": [str(category)]},
        {"product_ids": [str(uuid4())], "family_ids": [str(family)], "category_ids": []},
    ):  # fmt: skip
        assert amount(mine, rule(scope=scope)) == 1100
        assert amount(other, rule(scope=scope)) is None
    assert amount(product(currency="EUR"), rule()) is None


def test_demand_is_the_average_of_its_days() -> None:
    today = NOW.date()
    demand = {today: 4, today - timedelta(days=1): 2, today - timedelta(days=2): 100}
    busy = rule(conditions={"demand_above": 2.5, "demand_days": 2})
    assert amount(product(demand=demand), busy) == 1100
    assert amount(product(demand=demand), rule(conditions={"demand_above": 3, "demand_days": 2})) is None
    assert amount(product(), rule(conditions={"demand_below": 1, "demand_days": 7})) == 1100


@pytest.mark.parametrize(
    ("window", "at", "expected"),
    [
        ({"from": "18:00", "until": "22:00"}, "2026-11-30T18:00", True),
        ({"from": "18:00", "until": "22:00"}, "2026-11-30T22:00", False),
        ({"from": "18:00", "until": "22:00", "time_zone": "Europe/Berlin"}, "2026-11-30T17:00", True),
        ({"from": "18:00", "until": "22:00", "time_zone": "Europe/Berlin"}, "2026-07-01T16:00", True),  # summer time
        ({"from": "22:00", "until": "02:00", "days": [1]}, "2026-12-01T01:59", True),  # Monday's
        ({"from": "22:00", "until": "02:00", "days": [1]}, "2026-11-30T01:59", False),  # Sunday's
        ({"from": "22:00", "until": "02:00"}, "2026-11-30T12:00", False),
        ({"days": [6, 7]}, "2026-11-30T12:00", False),
        ({"starts_on": "2026-12-01"}, "2026-11-30T23:59", False),
        ({"ends_on": "2026-11-30"}, "2026-11-30T23:59", True),
        ({"ends_on": "2026-11-29", "from": "22:00", "until": "02:00"}, "2026-11-30T01:00", True),
        ({}, "2026-11-30T12:00", True),
    ],
)
def test_windows(window: dict[str, Any], at: str, expected: bool) -> None:
    assert is_open(rule(time_window=window), datetime.fromisoformat(at).replace(tzinfo=UTC)) is expected


@pytest.mark.parametrize("fields", [{"change_bp": 0}, {"change_amount": 0}, {"change_bp": 1, "change_amount": 1}])
def test_a_rule_has_one_effect(fields: dict[str, Any]) -> None:
    with pytest.raises(RuleWithoutEffect):
        rule(**fields).check()


def test_the_floor_is_not_above_the_ceiling() -> None:
    rule(floor=5, ceiling=5).check()
    with pytest.raises(FloorAboveCeiling):
        rule(floor=6, ceiling=5).check()


@given(
    base=st.integers(1, 5000), change=st.integers(-9900, 20_000).filter(bool), floor=st.none() | st.integers(1, 6000),
    ceiling=st.none() | st.integers(1, 6000), ending=st.none() | st.integers(0, 99),
)  # fmt: skip
def test_a_price_is_within_its_limits_and_its_ending_keeps_the_side(
    base: int, change: int, floor: int | None, ceiling: int | None, ending: int | None
) -> None:
    if floor is not None and ceiling is not None and floor > ceiling:
        return
    limits = {"change_bp": change, "floor": floor, "ceiling": ceiling}
    found = amount(product(amount=base), rule(**limits, ending=ending)) or base
    without = amount(product(amount=base), rule(**limits)) or base
    assert found >= 1
    assert floor is None or found >= floor
    assert ceiling is None or found <= ceiling
    if found != without:
        assert ending is not None
        assert found % 100 == ending
        assert abs(found - without) < 100
        assert (found > base) == (without > base)
