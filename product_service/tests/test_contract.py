"""The OpenAPI document."""

from tests.harness.service import Served

METHODS = {"get", "post", "put", "patch", "delete"}


async def test_every_operation_declares_a_summary_tags_security_and_responses(service: Served) -> None:
    document = (await service.anonymous.get("/openapi.json")).json()
    operations = [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS and not path.startswith(("/health", "/metrics"))
    ]
    assert len(operations) >= 15
    for name, operation in operations:
        assert operation.get("summary"), name
        assert operation.get("tags"), name
        assert "security" in operation, name
        assert len(operation["responses"]) >= 2, name


async def test_the_examples_of_bodies_are_valid(service: Served) -> None:
    """Swagger UI fills in requests with them."""
    staff = service.caller(role="SubAdmin")
    schemas = (await service.anonymous.get("/openapi.json")).json()["components"]["schemas"]
    category = await staff.post("/categories", json=schemas["CategoryIn"]["examples"][0])
    product = await staff.post("/products", json=schemas["ProductIn"]["examples"][0])
    price = await staff.post(f"/products/{product.json()['id']}/prices", json=schemas["PriceIn"]["examples"][0])
    assert [answer.status_code for answer in (category, product, price)] == [201, 201, 201], price.text
