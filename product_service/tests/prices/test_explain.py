"""Every price can be explained, also of a past moment."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts.events.products import GroupPrice, ScheduledPrice
from contracts.pricing import unit_price
from product_service.prices.explain import Candidate, Verdict, explain
from product_service.tests.conftest import Json, MakeProduct
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from tests.harness.service import Caller

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TRADE, CLUB = UUID(int=1), UUID(int=2)


def candidate(amount: int, currency: str, tier: int, start: int, length: int | None, group: UUID | None) -> Candidate:
    starts_at = BEGIN + timedelta(hours=start)
    ends_at = None if length is None else starts_at + timedelta(hours=length)
    return Candidate(uuid7(), amount, currency, tier, starts_at, ends_at, customer_group=group)


CANDIDATES = st.lists(
    st.builds(
        candidate, st.integers(1, 50), st.sampled_from(["GBP", "EUR"]), st.sampled_from([1, 5, 9]), st.integers(0, 9),
        st.none() | st.integers(0, 9), st.sampled_from([None, TRADE, CLUB]),
    ),
    max_size=8,
)  # fmt: skip


def columns(each: Candidate) -> Json:
    names = ("amount", "currency", "min_quantity", "starts_at", "ends_at")
    return {name: getattr(each, name) for name in names}


@given(known=CANDIDATES, hour=st.integers(0, 20), quantity=st.integers(1, 10), group=st.sampled_from([None, TRADE]))
def test_what_applies_is_what_is_charged(
    known: Sequence[Candidate], hour: int, quantity: int, group: UUID | None
) -> None:
    at, groups = BEGIN + timedelta(hours=hour), {group} - {None}
    public = [ScheduledPrice(**columns(each)) for each in known if each.customer_group is None]
    own = [GroupPrice(**columns(each), customer_group=each.customer_group) for each in known if each.customer_group]
    found = explain(known, quantity, "GBP", at, {each for each in groups if each})
    applied = [each.amount for each, verdict in found if verdict == Verdict.APPLIES]
    charged = unit_price(public, quantity, "GBP", at, own, {each for each in groups if each})
    assert applied == ([] if charged is None else [charged])
    assert sorted(map(id, known)) == sorted(id(each) for each, _ in found)


async def explained(staff: Caller, product: Json, **asked: object) -> tuple[int | None, list[tuple[int, str]]]:
    answer = await staff.get(f"/products/{product['id']}/prices/explain", params={k: str(v) for k, v in asked.items()})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    price = found["unit_price"] and found["unit_price"]["amount"]
    return price, [(each["amount"], each["verdict"]) for each in found["candidates"]]


async def test_each_price_has_its_verdict_at_any_moment(staff: Caller, make_product: MakeProduct) -> None:
    product, group = await make_product(), str(uuid7())
    path = f"/products/{product['id']}"
    before = utcnow().isoformat()
    for body in (
        {"amount": 900},
        {"amount": 950},
        {"amount": 800, "min_quantity": 10},
        {"amount": 5, "currency": "EUR"},
    ):
        await staff.post(f"{path}/prices", json={"currency": "GBP", **body})
    await staff.post(f"{path}/group-prices", json={"currency": "GBP", "amount": 980, "customer_group": group})
    price, verdicts = await explained(staff, product)
    assert (price, verdicts[0]) == (950, (950, "applies"))
    assert set(verdicts[1:]) == {
        (1000, "started-earlier"), (900, "started-earlier"), (800, "quantity-too-small"), (5, "other-currency"),
        (980, "other-group"),
    }  # fmt: skip
    price, verdicts = await explained(staff, product, customer_group=group)
    assert price == 980
    assert {(950, "group-goes-first"), (1000, "group-goes-first")} < set(verdicts)
    price, verdicts = await explained(staff, product, quantity=10)
    assert price == 800
    assert (950, "other-tier-is-lower") in verdicts
    now = utcnow().isoformat()
    await staff.patch(path, json={"price": {"amount": 1, "currency": "GBP"}})
    for listed in (await staff.get(f"{path}/prices")).json()["items"]:
        await staff.post(f"{path}/prices/{listed['id']}/end")
    assert (await explained(staff, product))[0] == 1
    assert (await explained(staff, product, at=now))[0] == 950, "what it was never changes"
    assert (await explained(staff, product, at=before))[0] == 1000
    assert (await explained(staff, product, at="2020-01-01T00:00:00Z"))[0] is None
    assert (await explained(staff, product, currency="JPY"))[0] is None
    assert (await staff.get(f"/products/{uuid7()}/prices/explain")).status_code == 404
