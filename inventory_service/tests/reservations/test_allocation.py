"""The rule that decides which warehouses supply an order."""

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from inventory_service.reservations.allocation import Share, Shortage, Wanted, allocate

PRODUCTS = [UUID(int=number) for number in range(1, 5)]
NORTH, SOUTH, WEST = WAREHOUSES = [UUID(int=number) for number in range(101, 104)]
TEA, COFFEE, MILK, _ = PRODUCTS

orders = st.lists(st.builds(Wanted, st.sampled_from(PRODUCTS), st.integers(1, 12)), min_size=1, max_size=12)
stocks = st.dictionaries(
    st.sampled_from(PRODUCTS), st.dictionaries(st.sampled_from(WAREHOUSES), st.integers(0, 20), max_size=3), max_size=4
)


@given(orders, stocks)
def test_an_allocation_covers_all_lines_or_none_and_never_exceeds_the_stock(
    lines: list[Wanted], free: dict[UUID, dict[UUID, int]]
) -> None:
    before = {product_id: dict(places) for product_id, places in free.items()}
    outcome = allocate(lines, free)
    assert free == before, "the stock is only read"
    wanted: Counter[UUID] = Counter()
    for product_id, quantity in lines:
        wanted[product_id] += quantity
    there = {product_id: sum(free.get(product_id, {}).values()) for product_id in wanted}
    if short := {product_id for product_id in wanted if there[product_id] < wanted[product_id]}:
        assert outcome == [Shortage(each, wanted[each], there[each]) for each in wanted if each in short]
        return
    shares = [share for share in outcome if isinstance(share, Share)]
    assert len(shares) == len(outcome)
    taken: Counter[tuple[UUID, UUID]] = Counter()
    dealt: Counter[int] = Counter()
    for position, product_id, warehouse_id, quantity in shares:
        assert quantity > 0
        assert lines[position].product_id == product_id
        taken[product_id, warehouse_id] += quantity
        dealt[position] += quantity
    assert all(quantity <= free[product][place] for (product, place), quantity in taken.items()), "oversold"
    assert [dealt[position] for position in range(len(lines))] == [line.quantity for line in lines]
    assert len({(share.position, share.warehouse_id) for share in shares}) == len(shares)


@given(orders, stocks, st.sampled_from(WAREHOUSES))
def test_a_warehouse_that_has_everything_supplies_the_whole_order(
    lines: list[Wanted], free: dict[UUID, dict[UUID, int]], rich: UUID
) -> None:
    plenty = {product_id: {**free.get(product_id, {}), rich: 1000} for product_id in PRODUCTS}
    outcome = allocate(lines, plenty)
    assert len({share.warehouse_id for share in outcome if isinstance(share, Share)}) == 1


def test_a_split_line_takes_the_largest_stock_first_and_other_lines_use_its_warehouses() -> None:
    free = {TEA: {NORTH: 3, SOUTH: 6, WEST: 0}, COFFEE: {NORTH: 5, SOUTH: 5, WEST: 9}}
    assert allocate([Wanted(TEA, 8), Wanted(COFFEE, 5)], free) == [
        Share(0, TEA, SOUTH, 6),
        Share(0, TEA, NORTH, 2),
        Share(1, COFFEE, NORTH, 5),
    ]


def test_the_warehouse_that_covers_most_products_is_chosen_first() -> None:
    free = {TEA: {NORTH: 1, SOUTH: 1}, COFFEE: {SOUTH: 1, WEST: 1}, MILK: {SOUTH: 1, WEST: 1}}
    outcome = allocate([Wanted(TEA, 1), Wanted(COFFEE, 1), Wanted(MILK, 1)], free)
    assert {share.warehouse_id for share in outcome if isinstance(share, Share)} == {SOUTH}


def test_lines_of_one_product_need_stock_for_their_sum_and_are_not_merged() -> None:
    assert allocate([Wanted(TEA, 2), Wanted(TEA, 2)], {TEA: {NORTH: 3}}) == [Shortage(TEA, 4, 3)]
    assert allocate([Wanted(TEA, 2), Wanted(TEA, 2)], {TEA: {NORTH: 1, SOUTH: 3}}) == [
        Share(0, TEA, SOUTH, 2),
        Share(1, TEA, SOUTH, 1),
        Share(1, TEA, NORTH, 1),
    ]
    assert allocate([Wanted(COFFEE, 1)], {}) == [Shortage(COFFEE, 1, 0)]
