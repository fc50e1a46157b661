"""Each product of the demo has a picture."""

from io import BytesIO

from PIL import Image

from tools.demo.catalogue import PRODUCTS
from tools.demo.pictures import draw
from tools.demo.pictures.sketch import SIZE


def test_each_product_has_a_picture_that_is_always_the_same() -> None:
    pictures = {product.sku: draw(product) for product in PRODUCTS}
    for picture in pictures.values():
        assert Image.open(BytesIO(picture)).size == (SIZE, SIZE)
    assert len(set(pictures.values())) > 30, "most things look different"
    assert draw(PRODUCTS[0]) == pictures[PRODUCTS[0].sku]
