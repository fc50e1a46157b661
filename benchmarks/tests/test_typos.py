"""Products of the data set are found by misspelt names."""

import pytest

from benchmarks import typos
from benchmarks.goods import fill_products
from product_service.vocabulary.jobs import collect_words
from tests.harness.service import serve

COUNT = 150
"""`python -m benchmarks typos` takes 1,000."""


async def test_misspelt_names_are_found_among_the_first_three() -> None:
    async with serve("product_service") as service:
        await fill_products(service.database_url)
        await collect_words(service.runtime)

        async def ask(typed: str) -> list[str]:
            answer = await service.anonymous.get("/products", params={"q": typed, "limit": typos.PLACES})
            return [item["name"] for item in answer.json()["items"]]

        found = await typos.found(ask, COUNT)
        assert found.share >= 0.95, found.missed


@pytest.mark.parametrize("seed", range(3))
def test_each_typo_is_one_edit_in_a_long_word(seed: int) -> None:
    for typo in typos.typos(200, seed):
        assert typo.typed != typo.name
        same = 0
        while typo.name[same : same + 1] == typo.typed[same : same + 1]:
            same += 1
        ends = typo.name[same + 1 :], typo.name[same:], typo.name[same + 2 :]
        assert typo.typed[same:].endswith(ends), typo
        assert abs(len(typo.typed) - len(typo.name)) <= 1
