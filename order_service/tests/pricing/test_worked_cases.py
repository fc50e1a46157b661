"""Cases with known right answers, from tax authorities, standards and other shops' faults; each names its source."""

from operator import attrgetter
from typing import Any

from order_service.pricing.arithmetic import share
from order_service.pricing.lines import QuoteLine
from order_service.pricing.promotions import Amount, BuyGet, FreeShipping, Percent, Scope, Stage
from order_service.pricing.quotes import Quote
from order_service.pricing.shipping import Destination
from order_service.tests.pricing.goods import method, priced, product, promotion, zone

TWENTY = {"standard": 200_000}
GB = zone("GB", TWENTY)


def amounts(found: Quote, *names: str) -> list[Any]:
    return [attrgetter(*names)(line) for line in found.lines]


def returned_one_by_one(line: QuoteLine) -> tuple[list[int], list[int]]:
    """What each piece gives back, with its tax, if the pieces come back one after the other."""
    return tuple(  # type: ignore[return-value]
        [share(whole, n + 1, line.quantity) - share(whole, n, line.quantity) for n in range(line.quantity)]
        for whole in (line.total, line.tax)
    )


def test_t1_tax_within_a_price_is_rounded_half_up() -> None:
    """HMRC VATREC12030: half a penny and more goes up; rounding the net, or half to even, would give 12 and 63."""
    found = priced([(product(25), 3)], zones=[GB])
    assert (found.total, found.tax, found.net) == (75, 13, 62)


def test_t2_tax_on_top_is_rounded_once_per_line() -> None:
    """The example of commercetools' TaxCalculationMode; rounded per piece it would be 387."""
    found = priced([(product(108), 3)], zones=[zone("GB", {"standard": 190_000}, include=False)])
    assert (found.net, found.tax, found.total) == (324, 62, 386)


def test_t3_one_rounding_per_rate_downwards() -> None:
    """Japan: one rounding for each rate and invoice, its mode is free (NTA Q&A Q46). Per line it would be 21."""
    japan = zone("JP", {"standard": 80_000}, include=False, rounding="rate", mode="down")
    found = priced([(product(98), 1)] * 3, currency="JPY", to=Destination("JP"), zones=[japan])
    assert (found.tax, amounts(found, "tax")) == (23, [8, 8, 7])


def test_t4_rounding_by_line_or_by_rate() -> None:
    """United States: by item or by invoice, as the seller elects (SSUTA § 324, RCW 82.08.054)."""
    goods = [(product(99), 1)] * 3
    by_line, by_rate = (
        priced(
            goods,
            currency="USD",
            to=Destination("US"),
            zones=[zone("US", {"standard": 72_500}, include=False, rounding=rounding)],
        )
        for rounding in ("line", "rate")
    )
    assert (by_line.tax, amounts(by_line, "tax")) == (21, [7, 7, 7])
    assert (by_rate.tax, amounts(by_rate, "tax")) == (22, [8, 7, 7])


def test_t5_an_amount_off_the_order_is_split_over_its_lines() -> None:
    """Solidus #1913."""
    found = priced([(product(1000), 1)] * 3, zones=[GB], promotions=[promotion(Amount({"GBP": 1000}))])
    assert amounts(found, "discount", "total", "tax") == [(334, 666, 111), (333, 667, 111), (333, 667, 111)]
    assert (found.total, found.tax) == (2000, 333)


def test_t6_promotions_of_lines_order_and_shipping_together() -> None:
    """Solidus #512 and Spree #5915 gave back the full price of what was returned."""
    mug, bowl = product(1249), product(3000)
    sale = promotion(Percent(200_000), Stage.LINES, Scope(frozenset({mug.id})))
    off = promotion(Amount({"GBP": 500}))
    free = promotion(FreeShipping(), Stage.SHIPPING)
    found = priced([(mug, 2), (bowl, 1)], zones=[GB], methods=[method(495)], promotions=[free, off, sale])
    assert amounts(found, "discount", "total", "tax") == [(700, 1798, 300), (300, 2700, 450)]
    shipping = found.shipping
    assert (shipping.amount, shipping.discount, shipping.total, shipping.tax) == (495, 495, 0, 0)
    assert (found.total, found.tax) == (4498, 750)
    assert returned_one_by_one(found.lines[0]) == ([899, 899], [150, 150])
    taken = {(each.promotion_id, each.position): each.amount for each in found.adjustments}
    assert taken == {(sale.id, 1): 500, (off.id, 1): 200, (off.id, 2): 300, (free.id, 0): 495}


def test_t7_seven_single_returns_add_up() -> None:
    found = priced([(product(143), 7)], zones=[GB], promotions=[promotion(Percent(100_000))])
    assert (found.total, found.tax) == (901, 150)
    paid, tax = returned_one_by_one(found.lines[0])
    assert paid == [129, 128, 129, 129, 129, 128, 129]
    assert tax == [21, 22, 21, 22, 21, 22, 21]


def test_t8_a_discounted_line_with_tax_on_top_gives_back_what_it_cost() -> None:
    """Medusa #15885 gave back 97.90, since it took the tax of the discount off twice."""
    found = priced(
        [(product(10_000), 2)],
        zones=[zone("GB", {"standard": 100_000}, include=False)],
        promotions=[promotion(Amount({"GBP": 2000}))],
    )
    assert (found.net, found.tax, found.total) == (18_000, 1800, 19_800)
    assert returned_one_by_one(found.lines[0])[0] == [9900, 9900]


def test_t11_a_currency_without_decimals() -> None:
    """InvoicePlane #1677 charged yen a hundredfold."""
    found = priced(
        [(product(1980), 1)],
        currency="JPY",
        to=Destination("JP"),
        zones=[zone("JP", {"standard": 100_000})],
        promotions=[promotion(Percent(150_000))],
    )
    assert (found.discount, found.total, found.tax) == (297, 1683, 153)


def test_t17_a_free_piece_is_paid_for_by_the_whole_offer() -> None:
    """So nobody keeps the free piece and returns the paid one for its full price."""
    given, bought = product(800, "zero"), product(1000)
    offer = promotion(BuyGet(1, 1, 1_000_000, Scope(frozenset({given.id}))), Stage.LINES, Scope(frozenset({bought.id})))
    found = priced([(given, 1), (bought, 1)], zones=[zone("GB", {**TWENTY, "zero": 0})], promotions=[offer])
    assert amounts(found, "discount", "total", "tax") == [(356, 444, 0), (444, 556, 93)]
    assert found.total == 1000


def test_t18_free_shipping_counts_goods_after_discounts() -> None:
    """WooCommerce #17274."""
    post, off = method(399, free_from={"GBP": 5000}), promotion(Amount({"GBP": 1000}))
    totals = [priced([(product(price), 1)], methods=[post], promotions=[off]).total for price in (5300, 6000)]
    assert totals == [4699, 5000]


def test_t19_shipping_is_taxed_as_the_goods_are() -> None:
    """HMRC VATVAL13120: a single charge for several supplies is apportioned."""
    goods = [(product(1000), 1), (product(3000, "zero"), 1)]
    found = priced(goods, zones=[zone("GB", {**TWENTY, "zero": 0})], methods=[method(400)])
    assert [(each.rate, each.net + each.tax, each.tax) for each in found.shipping.taxes] == [
        (200_000, 100, 17),
        (0, 300, 0),
    ]
    assert (amounts(found, "tax"), found.tax, found.total) == ([167, 0], 184, 4400)


def test_t20_a_business_in_another_member_state_pays_without_tax() -> None:
    """Its tax id must be valid; everybody else pays the same gross price, with their own country's tax in it."""
    zones = [zone("DE", {"standard": 190_000}), zone("FR", TWENTY)]
    shop: dict[str, Any] = {
        "currency": "EUR",
        "to": Destination("FR"),
        "zones": zones,
        "home": "DE",
        "methods": [method(595)],
    }
    business = priced([(product(11_900), 1)], tax_id_is_valid=True, **shop)
    assert (amounts(business, "net"), business.shipping.net, business.tax) == ([10_000], 500, 0)
    assert (business.total, business.tax_note) == (10_500, "reverse_charge")
    person = priced([(product(11_900), 1)], **shop)
    assert (amounts(person, "tax"), person.shipping.tax, person.tax) == ([1983], 99, 2082)
    assert (person.total, person.tax_note) == (12_495, None)


def test_t27_an_order_can_cost_nothing() -> None:
    """Medusa #12429."""
    sale, free = promotion(Percent(1_000_000)), promotion(FreeShipping(), Stage.SHIPPING)
    found = priced([(product(999), 3)], zones=[GB], methods=[method(500)], promotions=[sale, free])
    assert (found.total, found.tax, found.discount) == (0, 0, 3497)
    assert returned_one_by_one(found.lines[0]) == ([0, 0, 0], [0, 0, 0])
