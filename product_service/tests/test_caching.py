"""What visitors read may be cached for some seconds; what staff read may not."""

import pytest

from product_service.tests.conftest import MakeProduct
from tests.harness.service import Caller, Served


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        ("/products", 15),
        ("/products/{id}/reviews", 60),
        ("/collections", 60),
        ("/collections/{collection}/products", 15),
    ],
)
async def test_only_what_visitors_see_is_shared(
    service: Served, staff: Caller, make_product: MakeProduct, path: str, seconds: int
) -> None:
    collection = (await staff.post("/collections", json={"name": "New", "published": True})).json()
    url = path.format(id=(await make_product())["id"], collection=collection["id"])
    visitor, member = await service.anonymous.get(url), await staff.get(url)
    assert (visitor.status_code, member.status_code) == (200, 200)
    assert visitor.headers["cache-control"] == f"public, max-age={seconds}"
    assert member.headers["cache-control"] == "no-store"
    assert visitor.headers["vary"] == member.headers["vary"] == "Authorization, Accept-Language"
