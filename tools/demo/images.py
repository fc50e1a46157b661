"""Puts images on products."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tools.api import Api, for_each

AT_ONCE = 4
"""Fewer than the service takes at a time, so that staff can upload meanwhile."""


class Picture(NamedTuple):
    """An image file, and what it shows by language (`{"en": "A white heart"}`)."""

    content: bytes
    alt: Mapping[str, str]


async def put_images(staff: Api, pictures: Mapping[str, Sequence[Picture]]) -> None:
    """Uploads the pictures of each product (by its id), and shows them in this sequence instead of those that it has. A
    repetition changes nothing."""

    async def put(product: tuple[str, Sequence[Picture]]) -> None:
        product_id, its = product
        uploaded = [await staff.upload("product", "/media", each.content) for each in its]
        images = [{"media_id": media["id"], "alt": dict(each.alt)} for media, each in zip(uploaded, its, strict=True)]
        await staff.put("product", f"/products/{product_id}/images", {"images": images})

    await for_each(pictures.items(), put, at_once=AT_ONCE)
