"""What the sandbox gateway's books say of one order."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from local_stack.shop import Shop


@dataclass(frozen=True, slots=True)
class Entry:
    """A charge or a refund; `key` is the idempotency key that it was made with."""

    id: str
    key: str
    made_at: datetime
    status: str
    amount: int
    currency: str
    card: str | None


def read_books(shop: Shop, order_id: str) -> list[Entry]:
    """Raises: httpx.HTTPError."""
    headers = {"Authorization": f"Bearer {shop.settings['GATEWAY_API_KEY']}"}
    with httpx.Client(base_url=shop.settings["GATEWAY_URL"], headers=headers, timeout=10, trust_env=False) as client:
        charges = _items(client, "/charges", reference=order_id)
        refunds = [refund for charge in charges for refund in _items(client, "/refunds", charge_id=charge["id"])]
    return [_entry(item) for item in charges + refunds]


def _items(client: httpx.Client, path: str, **parameters: str) -> list[dict[str, Any]]:
    """As many as one page has: nobody pays for an order more often."""
    answer = client.get(path, params={"limit": 1000, **parameters})
    answer.raise_for_status()
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def _entry(item: dict[str, Any]) -> Entry:
    return Entry(
        id=item["id"],
        key=item["idempotency_key"],
        made_at=_made_at(item),
        status=item["status"],
        amount=item["amount"],
        currency=item["currency"],
        card=item.get("token"),
    )


def _made_at(item: dict[str, Any]) -> datetime:
    """`created` has whole seconds only; an id that ends in a UUIDv7 begins with its milliseconds."""
    created = int(item["created"]) * 1000
    try:
        made = int(item["id"].rpartition("_")[2][:12], 16)
    except ValueError:
        made = created
    return datetime.fromtimestamp((made if abs(made - created) < 2000 else created) / 1000, UTC)
