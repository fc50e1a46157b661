"""Images are put on products over HTTP."""

from io import BytesIO
from pathlib import Path
from uuid import uuid4

from PIL import Image

from tests.harness import tokens
from tests.harness.server import serving
from tools.api import Api, connections
from tools.demo.images import Picture, put_images


class _Staff(Api):
    """Signed in by a token of the tests."""

    async def _token(self) -> str:
        return tokens.token(role="SubAdmin", user_id=uuid4())


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _picture(colour: str) -> Picture:
    return Picture(_png(Image.new("RGB", (60, 40), colour)), {"en": colour})


LARGE = Picture(_png(Image.effect_noise((1300, 1300), 90)), {"en": "noise"})


async def test_pictures_are_uploaded_and_put_on_products(tmp_path: Path) -> None:
    async with serving("product_service", media_dir=tmp_path) as url, connections() as http:
        staff = _Staff(http, {"product": url}, "", "")
        body = {"name": "Product", "status": "active", "price": {"amount": 100, "currency": "GBP"}}
        ids = [(await staff.post("product", "/products", {**body, "sku": f"P-{n}"}))["id"] for n in range(6)]
        assert len(LARGE.content) > 1_048_576, "more than other bodies may have"
        pictures = {id: [_picture(f"#0000{n:02x}"), LARGE] for n, id in enumerate(ids)}
        for _ in range(2):
            await put_images(staff, pictures)
        for n, id in enumerate(ids):
            product = await staff.get("product", f"/products/{id}")
            assert [each["alt"] for each in product["images"]] == [{"en": f"#0000{n:02x}"}, {"en": "noise"}]
            assert product["version"] == 2
        shown = (await staff.get("product", f"/products/{ids[0]}"))["images"][1]
        async with http.get(url + shown["sizes"][-1]["urls"]["png"]) as answer:
            assert len(await answer.read()) == answer.content_length
        assert len(await staff.all("product", "/media")) == len(ids) + 1
