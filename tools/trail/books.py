"""The charges and refunds of one order in the books of the sandbox gateway."""

from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import BaseModel

from local_stack.shop import Shop


class Entry(BaseModel):
    """A charge or a refund in the format of the gateway's API."""

    id: str
    idempotency_key: str
    created: int
    status: str
    amount: int
    currency: str
    token: str | None = None

    @property
    def made_at(self) -> datetime:
        """The time in milliseconds, from the id if that ends in a UUIDv7, since `created` has whole seconds only."""
        created = self.created * 1000
        try:
            made = int(self.id.rpartition("_")[2][:12], 16)
        except ValueError:
            made = created
        return datetime.fromtimestamp((made if abs(made - created) < 2000 else created) / 1000, UTC)


def read_books(shop: Shop, order_id: str) -> list[Entry]:
    """Raises: httpx.HTTPError."""
    headers = {"Authorization": f"Bearer {shop.settings['GATEWAY_API_KEY']}"}
    with httpx.Client(base_url=shop.settings["GATEWAY_URL"], headers=headers, timeout=10, trust_env=False) as client:
        charges = _items(client, "/charges", reference=order_id)
        refunds = [refund for charge in charges for refund in _items(client, "/refunds", charge_id=charge["id"])]
    return [Entry.model_validate(item) for item in charges + refunds]


def _items(client: httpx.Client, path: str, **parameters: str) -> list[dict[str, Any]]:
    """One page, which is more than an order ever has."""
    answer = client.get(path, params={"limit": 1000, **parameters})
    answer.raise_for_status()
    items: list[dict[str, Any]] = answer.json()["items"]
    return items
