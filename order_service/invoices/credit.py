"""What credit notes credit of an invoice, by tax rate, so that they add up to it exactly and never exceed it."""

from collections.abc import Mapping, Sequence
from typing import Any

from order_service.invoices.content import (
    Amount,
    InvoicedLine,
    InvoicedOrder,
    RateAmounts,
    Seller,
    SettledRefund,
    amounts,
    heading,
)
from order_service.pricing.arithmetic import half_up, split
from order_service.pricing.shares import paid_for, tax_paid_for


class Credits:
    """An invoice, and what was credited of it so far."""

    def __init__(self, order: InvoicedOrder, invoice: Mapping[str, Any], credited: Sequence[Mapping[str, Any]]) -> None:
        self._order = order
        self._invoice = invoice
        self._left = RateAmounts.read(invoice)
        self._is_untouched = not credited
        for content in credited:
            self._left = self._left.less(RateAmounts.read(content))
        self._refunded = 0

    def credit(self, refund: SettledRefund, seller: Seller, *, is_credited: bool) -> dict[str, Any] | None:
        """The content of the credit note for a refund, without its amount if there is nothing to credit (None).

        Call it for each refund of the order, the earliest first; `is_credited`: it has its credit note already.
        Money that the order never wanted (a second payment) goes back without a credit note: credited is by how much
        what the shop keeps is below the invoice.
        """
        self._refunded += refund.amount
        if is_credited:
            return None
        left = self._left.whole.total
        kept = max(0, self._order.captured - self._refunded)
        amount = min(left - kept, refund.amount)
        if amount <= 0:
            return None
        is_all = self._is_untouched and amount == left
        lines = [] if is_all else self._lines(refund, amount)
        if is_all:
            by_rate, shown = self._left, {name: self._invoice[name] for name in ("lines", "shipping")} | {"other": []}
        else:
            of_lines = RateAmounts.of((line["rate"], Amount(line["total"], line["tax"])) for line in lines)
            rest = self._in_proportion(self._left.less(of_lines), amount - of_lines.whole.total)
            by_rate = RateAmounts.of([*of_lines.items(), *rest.items()])
            shown = {"lines": lines, "shipping": None, "other": rest.rows()}
        self._left, self._is_untouched = self._left.less(by_rate), False
        corrected = {name: self._invoice[name] for name in ("number", "issued_on")}
        return {
            **heading(self._order, seller), "corrects": corrected, **shown, "taxes": by_rate.rows(),
            **amounts(by_rate.whole),
        }  # fmt: skip

    def _lines(self, refund: SettledRefund, amount: int) -> list[dict[str, Any]]:
        """The pieces that the refund pays for, at their shares; empty if these are not left of the invoice, since
        refunds that belong to no line took them."""
        positions = {line.position: line for line in self._order.lines}
        found = [
            self._share(positions[each["position"]], each["before"], each["quantity"]) for each in refund.pieces or ()
        ]
        by_rate = RateAmounts.of((line["rate"], Amount(line["total"], line["tax"])) for line in found)
        left = self._left.less(by_rate)
        fits = all(each.can_be_left for each in left.values()) and by_rate.whole.total <= amount
        return found if fits else []

    def _share(self, line: InvoicedLine, before: int, quantity: int) -> dict[str, Any]:
        currency = self._order.currency
        total = paid_for([line], {line.position: quantity}, {line.position: before}, currency)
        tax = tax_paid_for(line, quantity, before, currency)
        return {
            "position": line.position, "sku": line.sku, "name": line.name, "quantity": quantity,
            "unit_price": line.unit_price, "discount": None, "rate": line.tax_rate, **amounts(Amount(total, tax)),
        }  # fmt: skip

    @staticmethod
    def _in_proportion(left: RateAmounts, amount: int) -> RateAmounts:
        """Divides an amount among the rates, in proportion to what is left of each, with its tax in proportion."""
        if not amount:
            return RateAmounts()
        parts = split(amount, [each.total for each in left.values()])
        return RateAmounts(
            {
                rate: Amount(part, half_up(of.tax * part, of.total))
                for (rate, of), part in zip(left.items(), parts, strict=True)
                if part
            }
        )
