"""Invoices for tests of a service whose settings name no seller."""

from typing import Any
from uuid import UUID

from pydantic import SecretStr

from order_service.invoices import use_cases
from order_service.settings import Settings
from tests.harness.service import Served

SELLER: dict[str, Any] = {
    "seller_name": "Online Mart Ltd",
    "seller_address": ("1 Mill Lane", "London N1 9GU", "United Kingdom"),
    "seller_tax_id": "GB123456789",
    "invoice_link_secret": "the secret of links in tests",
    "public_url": "http://shop.test",
}


async def invoice(served: Served, *order_ids: UUID) -> list[str]:
    """Issues the invoices of these orders, as if they had just been paid; returns the numbers."""
    secret = SecretStr(SELLER["invoice_link_secret"])
    settings = served.runtime.resource(Settings).model_copy(update={**SELLER, "invoice_link_secret": secret})
    async with served.runtime.database.transaction() as tx:
        await tx.execute("INSERT INTO invoice_policy (issue_at) VALUES ('paid') ON CONFLICT DO NOTHING")
        await tx.execute(
            "INSERT INTO invoice_requests (order_id, at) SELECT id, now() FROM unnest($1::uuid[]) AS id", order_ids
        )
        await use_cases.issue(tx, settings, 10_000)
        await tx.execute("DELETE FROM invoice_policy")
        rows = await tx.fetch("SELECT content->>'number' FROM invoices WHERE order_id = ANY($1::uuid[])", order_ids)
    return [row[0] for row in rows]
