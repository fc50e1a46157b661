"""Packing slips: what belongs in a parcel, for the warehouse."""

from uuid import uuid4

from contracts.address import Address
from inventory_service.tests.inventory import Inventory, fulfilment, reservation


async def test_a_packing_slip_has_the_goods_and_the_address_and_no_prices(inventory: Inventory) -> None:
    product, _ = await inventory.stocked(10)
    order_id, customer = uuid4(), uuid4()
    await inventory.deliver(reservation(order_id, [(product, 3)]))
    requested = fulfilment(order_id, [(product, 3)], customer)
    to = Address(name="<b>佐藤 花子</b>", line1="1 Mill Lane", city="London", postal_code="N1 9GU", country="GB")
    await inventory.deliver(requested.model_copy(update={"ship_to": to}))
    [shipment] = (await inventory.staff.get("/shipments", params={"order_id": str(order_id)})).json()["items"]
    path = f"/shipments/{shipment['id']}/packing-slip"

    page = await inventory.staff.get(path)
    assert page.status_code == 200
    assert "&lt;b&gt;佐藤 花子&lt;/b&gt;" in page.text
    assert "N1 9GU London" in page.text
    assert f"Packing slip for order {shipment['number']}" in page.text
    assert '<td class="figure">3</td>' in page.text
    for word in ("GBP", "total", "Price", "Tax"):
        assert word not in page.text.partition("<body>")[2]
    pdf = await inventory.staff.get(path, params={"format": "pdf"})
    assert pdf.content.startswith(b"%PDF-")
    assert pdf.headers["Content-Disposition"] == f'inline; filename="packing-slip-{shipment["number"]}.pdf"'


async def test_a_product_that_is_unknown_is_printed_by_its_id(inventory: Inventory) -> None:
    product, _ = await inventory.stocked(10)
    order_id = uuid4()
    await inventory.deliver(reservation(order_id, [(product, 3)]))
    await inventory.deliver(fulfilment(order_id, [(product, 3)], uuid4()))
    [shipment] = (await inventory.staff.get("/shipments", params={"order_id": str(order_id)})).json()["items"]
    async with inventory.served.runtime.database.connection() as connection:
        await connection.execute("DELETE FROM products WHERE product_id = $1", product)
    assert str(product) in (await inventory.staff.get(f"/shipments/{shipment['id']}/packing-slip")).text


async def test_only_staff_of_the_warehouse_get_packing_slips(inventory: Inventory) -> None:
    path = f"/shipments/{uuid4()}/packing-slip"
    assert (await inventory.staff.get(path)).status_code == 404
    assert (await inventory.served.caller().get(path)).status_code == 403
    assert (await inventory.served.anonymous.get(path)).status_code == 401
