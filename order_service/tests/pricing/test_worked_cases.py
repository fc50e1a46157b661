"""The right answers of the worked cases; each names its source."""

from operator import attrgetter
from typing import Any

from order_service.pricing.arithmetic import share
from order_service.pricing.lines import QuoteLine
from order_service.pricing.quotes import Quote
from order_service.tests.pricing.cases import CASES, FREE, OFF, SALE


def amounts(found: Quote, *names: str) -> list[Any]:
    return [attrgetter(*names)(line) for line in found.lines]


def returned_one_by_one(line: QuoteLine) -> tuple[list[int], list[int]]:
    """What is refunded for each piece, and the tax in it, if the pieces come back one after the other."""
    price, tax = (
        [share(whole, n + 1, line.quantity) - share(whole, n, line.quantity) for n in range(line.quantity)]
        for whole in (line.total, line.tax)
    )
    return price, tax


def test_t1_tax_within_a_price_is_rounded_half_up() -> None:
    """HMRC VATREC12030: half a penny and more goes up; rounding the net, or half to even, would give 12 and 63."""
    found = CASES["T1"].quote()
    assert (found.total, found.tax, found.net) == (75, 13, 62)


def test_t2_tax_on_top_is_rounded_once_per_line() -> None:
    """The example of commercetools' TaxCalculationMode; rounded per piece it would be 387."""
    found = CASES["T2"].quote()
    assert (found.net, found.tax, found.total) == (324, 62, 386)


def test_t3_one_rounding_per_rate_downwards() -> None:
    """Japan: one rounding for each rate and invoice, its mode is free (NTA Q&A Q46). Per line it would be 21."""
    found = CASES["T3"].quote()
    assert (found.tax, amounts(found, "tax")) == (23, [8, 8, 7])


def test_t4_rounding_by_line_or_by_rate() -> None:
    """United States: by item or by invoice, as the seller elects (SSUTA § 324, RCW 82.08.054)."""
    by_line, by_rate = CASES["T4 by line"].quote(), CASES["T4 by rate"].quote()
    assert (by_line.tax, amounts(by_line, "tax")) == (21, [7, 7, 7])
    assert (by_rate.tax, amounts(by_rate, "tax")) == (22, [8, 7, 7])


def test_t5_an_amount_off_the_order_is_split_over_its_lines() -> None:
    """Solidus #1913."""
    found = CASES["T5"].quote()
    assert amounts(found, "discount", "total", "tax") == [(334, 666, 111), (333, 667, 111), (333, 667, 111)]
    assert (found.total, found.tax) == (2000, 333)


def test_t6_promotions_of_lines_order_and_shipping_together() -> None:
    """Solidus #512 and Spree #5915 refunded the full price of what was returned."""
    found = CASES["T6"].quote()
    assert amounts(found, "discount", "total", "tax") == [(700, 1798, 300), (300, 2700, 450)]
    shipping = found.shipping
    assert (shipping.amount, shipping.discount, shipping.total, shipping.tax) == (495, 495, 0, 0)
    assert (found.total, found.tax) == (4498, 750)
    assert returned_one_by_one(found.lines[0]) == ([899, 899], [150, 150])
    taken = {(each.promotion_id, each.position): each.amount for each in found.adjustments}
    assert taken == {(SALE.id, 1): 500, (OFF.id, 1): 200, (OFF.id, 2): 300, (FREE.id, 0): 495}


def test_t7_seven_single_returns_add_up() -> None:
    found = CASES["T7"].quote()
    assert (found.total, found.tax) == (901, 150)
    paid, tax = returned_one_by_one(found.lines[0])
    assert paid == [129, 128, 129, 129, 129, 128, 129]
    assert tax == [21, 22, 21, 22, 21, 22, 21]


def test_t8_a_discounted_line_with_tax_on_top_gives_back_what_it_cost() -> None:
    """Medusa #15885 refunded 97.90, since it took the tax of the discount off twice."""
    found = CASES["T8"].quote()
    assert (found.net, found.tax, found.total) == (18_000, 1800, 19_800)
    assert returned_one_by_one(found.lines[0])[0] == [9900, 9900]


def test_t11_a_currency_without_decimals() -> None:
    """InvoicePlane #1677 charged yen a hundredfold."""
    found = CASES["T11"].quote()
    assert (found.discount, found.total, found.tax) == (297, 1683, 153)


def test_t17_a_free_piece_is_paid_for_by_the_whole_offer() -> None:
    """So nobody keeps the free piece and returns the paid one for its full price."""
    found = CASES["T17"].quote()
    assert amounts(found, "discount", "total", "tax") == [(356, 444, 0), (444, 556, 93)]
    assert found.total == 1000


def test_t18_free_shipping_counts_goods_after_discounts() -> None:
    """WooCommerce #17274."""
    assert [CASES[f"T18 {name}"].quote().total for name in ("below", "reached")] == [4699, 5000]


def test_t19_shipping_is_taxed_as_the_goods_are() -> None:
    """HMRC VATVAL13120: a single charge for several supplies is apportioned."""
    found = CASES["T19"].quote()
    assert [(each.rate, each.net + each.tax, each.tax) for each in found.shipping.taxes] == [
        (200_000, 100, 17),
        (0, 300, 0),
    ]
    assert (amounts(found, "tax"), found.tax, found.total) == ([167, 0], 184, 4400)


def test_t20_a_business_in_another_member_state_pays_without_tax() -> None:
    """Its tax id must be valid; everybody else pays the same gross price, with their own country's tax in it."""
    business, person = CASES["T20 business"].quote(), CASES["T20 person"].quote()
    assert (amounts(business, "net"), business.shipping.net, business.tax) == ([10_000], 500, 0)
    assert (business.total, business.tax_note) == (10_500, "reverse_charge")
    assert (amounts(person, "tax"), person.shipping.tax, person.tax) == ([1983], 99, 2082)
    assert (person.total, person.tax_note) == (12_495, None)


def test_t27_an_order_can_cost_nothing() -> None:
    """Medusa #12429."""
    found = CASES["T27"].quote()
    assert (found.total, found.tax, found.discount) == (0, 0, 3497)
    assert returned_one_by_one(found.lines[0]) == ([0, 0, 0], [0, 0, 0])
