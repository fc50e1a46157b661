"""The rule for the price of a piece."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts.events.products import GroupPrice, ScheduledPrice
from contracts.pricing import unit_price

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def price(amount: int, min_quantity: int = 1, start: int = 0, length: int | None = None) -> ScheduledPrice:
    """`start` and `length` in hours."""
    starts_at = BEGIN + timedelta(hours=start)
    ends_at = None if length is None else starts_at + timedelta(hours=length)
    return ScheduledPrice(
        amount=amount, currency="GBP", min_quantity=min_quantity, starts_at=starts_at, ends_at=ends_at
    )


PRICES = st.lists(
    st.builds(
        price, st.integers(0, 50), st.sampled_from([1, 2, 5, 9]), st.integers(0, 9), st.none() | st.integers(1, 9)
    ),
    max_size=8,
)
HOURS = st.integers(0, 20)


def of_the_highest_tier(prices: list[ScheduledPrice], quantity: int, now: datetime) -> int | None:
    """What a quantity would cost if each had only the prices of the highest tier that it reaches."""
    holding = [
        each
        for each in prices
        if each.min_quantity <= quantity and each.starts_at <= now and (each.ends_at is None or now < each.ends_at)
    ]
    best = max(holding, key=lambda each: (each.min_quantity, each.starts_at, -each.amount), default=None)
    return best.amount if best else None


@given(prices=PRICES, hour=HOURS, quantity=st.integers(1, 12))
def test_buying_more_never_raises_the_unit_price(prices: list[ScheduledPrice], hour: int, quantity: int) -> None:
    now = BEGIN + timedelta(hours=hour)
    fewer = [of_the_highest_tier(prices, number, now) for number in range(1, quantity + 1)]
    expected = min((amount for amount in fewer if amount is not None), default=None)
    assert unit_price(prices, quantity, "GBP", now) == expected


@given(prices=PRICES, hour=HOURS, quantity=st.integers(1, 12), seed=st.randoms())
def test_the_order_of_the_prices_does_not_matter(
    prices: list[ScheduledPrice], hour: int, quantity: int, seed: Random
) -> None:
    now, shuffled = BEGIN + timedelta(hours=hour), list(prices)
    seed.shuffle(shuffled)
    assert unit_price(shuffled, quantity, "GBP", now) == unit_price(prices, quantity, "GBP", now)


def test_a_sale_for_one_piece_goes_below_a_tier() -> None:
    prices = [price(1000), price(800, min_quantity=10), price(500, start=1, length=2)]
    for hour, nine, ten in ((0, 1000, 800), (1, 500, 500), (3, 1000, 800)):
        now = BEGIN + timedelta(hours=hour)
        assert (unit_price(prices, 9, "GBP", now), unit_price(prices, 10, "GBP", now)) == (nine, ten)


def test_within_a_tier_the_latest_price_is_in_force_even_if_it_is_higher() -> None:
    prices = [price(1000), price(1200, start=1)]
    assert unit_price(prices, 1, "GBP", BEGIN + timedelta(hours=1)) == 1200
    assert unit_price(prices, 1, "EUR", BEGIN) is None


TRADE, CLUB, STRANGERS = UUID(int=1), UUID(int=2), UUID(int=3)


def group_price(
    amount: int, group: UUID, min_quantity: int = 1, start: int = 0, length: int | None = None
) -> GroupPrice:
    return GroupPrice(customer_group=group, **price(amount, min_quantity, start, length).model_dump())


GROUP_PRICES = st.lists(
    st.builds(
        group_price, st.integers(0, 50), st.sampled_from([TRADE, CLUB, STRANGERS]), st.sampled_from([1, 2, 5, 9]),
        st.integers(0, 9), st.none() | st.integers(1, 9),
    ),
    max_size=8,
)  # fmt: skip


@given(prices=PRICES, of_groups=GROUP_PRICES, hour=HOURS, quantity=st.integers(1, 12))
def test_within_a_tier_a_price_of_ones_groups_goes_before_the_public_one(
    prices: list[ScheduledPrice], of_groups: list[GroupPrice], hour: int, quantity: int
) -> None:
    now = BEGIN + timedelta(hours=hour)
    own = [each for each in of_groups if each.customer_group in (TRADE, CLUB)]
    tiers = []
    for tier in {each.min_quantity for each in [*prices, *own] if each.min_quantity <= quantity}:
        candidates = [
            [each for each in schedule if each.min_quantity == tier and each.starts_at <= now and
             (each.ends_at is None or now < each.ends_at)]
            for schedule in (own, prices)
        ]  # fmt: skip
        if found := candidates[0] or candidates[1]:
            tiers.append(max(found, key=lambda each: (each.starts_at, -each.amount)).amount)
    groups = {TRADE, CLUB}
    assert unit_price(prices, quantity, "GBP", now, of_groups, groups) == min(tiers, default=None)


@given(prices=PRICES, of_groups=GROUP_PRICES, hour=HOURS, quantity=st.integers(1, 12))
def test_others_never_get_the_price_of_a_group(
    prices: list[ScheduledPrice], of_groups: list[GroupPrice], hour: int, quantity: int
) -> None:
    now = BEGIN + timedelta(hours=hour)
    public = unit_price(prices, quantity, "GBP", now)
    for groups in (frozenset[UUID](), frozenset({UUID(int=4)})):
        assert unit_price(prices, quantity, "GBP", now, of_groups, groups) == public
