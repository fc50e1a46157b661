"""Pictures of the demo's products, drawn when the demo is made: plain shapes on a ground of the category's colour."""

from io import BytesIO

from tools.demo.catalogue import DemoProduct
from tools.demo.pictures.colours import colour_of
from tools.demo.pictures.motifs import MOTIFS
from tools.demo.pictures.sketch import Sketch

GROUNDS = {
    "Candles & lights": "#f6e7cb",
    "Clocks & frames": "#dfe7e3",
    "Keeping warm": "#f3dcd6",
    "Baking": "#efe3d6",
    "Tea & table": "#dce6ee",
    "Bags & storage": "#e4e0ef",
    "Gifts & play": "#e3ecd6",
    "Christmas": "#d9e5df",
}


def draw(product: DemoProduct) -> bytes:
    """A square picture as PNG. The same product always has the same picture."""
    sketch = Sketch(GROUNDS[product.category])
    name = product.name.lower()
    motif = next(motif for words, motif in MOTIFS if any(word in name for word in words))
    motif(sketch, colour_of(name))
    out = BytesIO()
    sketch.finished().save(out, "PNG", optimize=True)
    return out.getvalue()
